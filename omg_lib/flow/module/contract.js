// The contract with numbers put in. Python hands over every stage with its axes by name and a table of sizes; nothing
// here knows a shape.

const part = (text, sizes) => (/^\d+$/.test(text) ? Number(text) : sizes[text]);
const SIGNS = {'*': (a, b) => a * b, '+': (a, b) => a + b, '-': (a, b) => a - b, '/': (a, b) => Math.floor(a / b)};

// The length of an axis: "A", "G*A", "L+1", "T-1", "A/R", "64".
export function axisSize(axis, sizes) {
  const found = /^(\w+)(?:([*+/-])(\w+))?$/.exec(axis);
  if (!found) throw new Error(`axis ${axis} is not of the form A, G*A, L+1, T-1, A/R or 64`);
  const [, left, sign, right] = found;
  return sign ? SIGNS[sign](part(left, sizes), part(right, sizes)) : part(left, sizes);
}

// "{G} groups of {A}" -> "32 groups of 8".
export const fill = (text, sizes) => text.replace(/\{([^}]+)\}/g, (_, axis) => axisSize(axis, sizes));

// "{name} slider" with the values of its names.
export const tell = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// Where the index of a product of axes lies on each factor, the last one fastest: 13 on [32, 8] is [1, 5].
export function unravel(index, lengths) {
  const out = [];
  for (const length of [...lengths].reverse()) {
    out.unshift(index % length);
    index = Math.floor(index / length);
  }
  return out;
}

export function sizesOf(data, s) {
  const [L, O, S, C] = data.envs[s.env].sizes[s.n_agents];
  const sizes = {...data.fixed, A: s.n_agents, G: s.batch_size, L, O, S, C, T: L + 1};
  return {...sizes, R: axisSize(data.runners[s.runner], sizes)};
}

// Why these settings cannot be drawn, in one sentence; '' if they can.
export function refusal(data, s) {
  const {status} = data.texts;
  for (const [name, choices] of [['env', data.envs], ['learner', data.learners], ['runner', data.runners]]) {
    if (!(s[name] in choices)) return tell(status.choices, {name, value: s[name], choices: Object.keys(choices).join(', ')});
  }
  const teams = Object.keys(data.envs[s.env].sizes);
  if (!teams.includes(String(s.n_agents))) {
    return tell(status.teams, {...s, low: teams[0], high: teams[teams.length - 1]});
  }
  if (!Number.isInteger(s.batch_size) || s.batch_size < 1) return tell(status.batch, s);
  const sizes = sizesOf(data, s), {grouped} = data.learners[s.learner], needed = grouped ? 'G*A' : 'G';
  if (axisSize(needed, sizes) > sizes.B) {
    const most = Math.floor(sizes.B / axisSize(needed, {...sizes, G: 1}));
    return tell(status.buffer, {...s, needed: axisSize(needed, sizes), B: sizes.B, most});
  }
  if (grouped && sizes.A % sizes.R) return tell(status.width, sizes);
  return '';
}

// Every stage of one update at these settings, as `omg.predict` gives it.
export function predict(data, s) {
  const sizes = sizesOf(data, s), learner = data.learners[s.learner], {alive} = data.envs[s.env];
  const stages = learner.stages.map(([name, calls, fields]) => {
    const made = Object.entries(fields).filter(([, [, , needs]]) => !needs || alive).map(([key, [text, dtype]]) => {
      const axes = text ? text.split(' ') : [], shape = axes.map(axis => axisSize(axis, sizes));
      return {key, axes, shape, dtype, bytes: shape.reduce((a, b) => a * b, data.bytes[dtype])};
    });
    const first = made.find(field => field.shape.length);
    return {name, calls: axisSize(calls, sizes), leading: first ? first.shape[0] : null, fields: made};
  });
  const rings = axisSize(learner.rings, sizes), own = data.regrouped ?? null;
  const here = own && own.A === sizes.A && own.G === sizes.G && learner.grouped;
  return {
    sizes, stages, rings, capacity: Math.floor(sizes.B / rings), grouped: learner.grouped, kinds: learner.kinds,
    words: data.words[learner.grouped ? 'grouped' : 'whole'], texts: data.texts,
    regrouped: here ? own : null, elsewhere: here ? null : own,  // a regrouping of the reader's own, at its sizes only
  };
}

// The plan with a run's measurements beside it: state, measured fields and seconds of each stage. The plan alone
// without one; null if the measurements are of another plan.
export function withMeasured(plan, measured) {
  const found = Object.fromEntries((measured?.stages ?? []).map(stage => [stage.name, stage]));
  if (measured && ['A', 'G', 'R', 'L', 'O', 'S', 'C'].some(name => measured.sizes[name] !== plan.sizes[name])) return null;
  const names = new Set(plan.stages.map(stage => stage.name));
  const odd = Object.values(found).filter(stage => !names.has(stage.name)).map(stage => ({
    name: stage.name, calls: stage.calls, leading: stage.leading, fields: listed(stage.fields),
  }));
  const stages = [...plan.stages, ...odd].map(stage => ({
    ...stage,
    state: !measured ? 'predicted' : stage.name in measured.wrong ? 'different' : 'equal',
    measured: found[stage.name] ? {...found[stage.name], fields: listed(found[stage.name].fields)} : null,
    wrong: measured?.wrong[stage.name] ?? '',
  }));
  return {...plan, stages, measured: measured ?? null, books: measured?.books ?? null};
}

const listed = fields => Object.entries(fields).map(([key, field]) => ({key, ...field}));

// --- words -----------------------------------------------------------------------------------------------------------

export function bytesText(count) {
  if (count < 1000) return `${count} B`;
  const power = Math.min(3, Math.floor(Math.log10(count) / 3)), value = count / 1000 ** power;
  return `${value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(value))))} ${['B', 'kB', 'MB', 'GB'][power]}`;
}

export function msText(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms < 0.01 ? '<0.01 ms' : `${ms.toFixed(ms >= 100 ? 0 : ms >= 1 ? 1 : 2)} ms`;
}

// Why a stage has this shape, or how the measured one differs from the plan.
const OWN = 'learner.regroup';
export const whyText = ({name, measured, wrong}, {words: {reasons}, sizes, measured: run, regrouped, elsewhere, texts}) =>
  wrong || (name === OWN && regrouped?.said) || (name === OWN && elsewhere && tell(texts.picture.elsewhere, elsewhere)) || fill(reasons[measured ? `${name}, measured` : name] ?? reasons[name] ?? '', measured ? {...sizes, T: run.sizes.T} : sizes);

// The same with the bytes of all fields.
export function reasonText(stage, plan) {
  const [main] = stage.fields, size = stage.fields.reduce((sum, field) => sum + field.bytes, 0);
  const open = !stage.measured && main?.axes.some(axis => /^T/.test(axis)) ? '≤' : '';
  return whyText(stage, plan) + (size ? ` · ${open}${stage.calls > 1 ? `${stage.calls} × ` : ''}${bytesText(size)}` : '');
}

export const fieldText = field => `${field.key} [${['..', ...field.axes.slice(2)].join(', ')}]`;

// Lines of at most `room` pixels. An average letter is half as wide as it is high; a Chinese one fills a square, and a
// line may end after each.
const widthOf = (text, size) => [...text].reduce((sum, letter) => sum + (letter > '\u2e7f' ? 1 : 0.53), 0) * size;
export function wrap(words, size, room) {
  const lines = [''];
  let used = 0;
  for (const piece of words.match(/[\u2e80-\uffff][，。；：、）]*|[^\s\u2e80-\uffff]+|\s+/g) ?? []) {
    const wide = widthOf(piece, size), more = piece.trim() ? wide : 0;  // a space at the end may stick out
    if (used && used + more > room) { lines.push(''); used = 0; }
    lines[lines.length - 1] += used ? piece : piece.trim();
    used += used || piece.trim() ? wide : 0;
  }
  return lines;
}

// The same for fields, which stay whole; `first` stands before them.
export function wrapFields(first, fields, size, room) {
  const lines = [[]];
  let used = widthOf(first, size);
  for (const field of fields) {
    const wide = widthOf(`  ${fieldText(field)}`, size);
    if (lines[lines.length - 1].length && used + wide > room) { lines.push([]); used = 0; }
    lines[lines.length - 1].push(field);
    used += wide;
  }
  return lines;
}

export const axesText = field => field.axes.map((axis, i) => `${axis} ${field.shape[i]}`).join(', ');

// The three numbers of an update, in one sentence.
export function predicted(plan) {
  const of = name => plan.stages.find(stage => stage.name === name).leading;
  return tell(plan.texts.status.predicted, {runner: of('runner.run'), sample: of('buffer.sample'), learner: of('learner.q_values')});
}

// The whole picture as text, for screen readers.
export function spoken(plan) {
  const {sizes, words, texts: {spoken: said, picture}} = plan;
  const parts = [tell(said.picture, {...sizes, headline: fill(words.headline, sizes)})];
  for (const stage of plan.stages) {
    const [main] = stage.fields, ran = stage.measured;
    parts.push(`${stage.name}, ${stage.calls > 1 ? tell(picture.calls, stage) : said.one_call}` +
      `${main ? `: ${main.key} [${axesText(main)}]` : ''}, ${said[stage.state]}` +
      `${ran ? `, ${said.was_measured}${main && ran.fields[0] ? ` [${ran.fields[0].shape.join(', ')}]` : ''}` : ''}.`);
  }
  return parts.join(' ');
}

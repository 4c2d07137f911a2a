// Everything that stands still: text, chips, rings and the data attributes, as SVG elements; and how new ones replace them.
import {fieldText, msText, tell} from './contract.js';
import {CHIP, FONT} from './layout.js';

// An element to be made: its attributes (undefined: none) and its children, elements or texts.
const node = (tag, attributes, ...children) => ({tag, attributes, children: children.flat(2).filter(child => child !== null)});
const put = (x, y, size, words, more = {}) => node('text', {x, y, 'font-size': size, ...more}, String(words));
const box = (x, y, width, height, more) => node('rect', {x, y, width, height, ...more});
const BOLD = {'font-weight': 'bold'}, MIDDLE = {'text-anchor': 'middle'};

// Twelve hues would not tell sixteen seats apart: one ramp, dark to light, safe for colour blindness, ordered by seat.
const RAMP = [[70, 40, 170], [150, 40, 160], [205, 70, 115], [235, 115, 60], [240, 165, 45]];
export function seatColour(seat, seats) {
  const at = seats > 1 ? seat / (seats - 1) * (RAMP.length - 1) : 2, i = Math.min(RAMP.length - 2, Math.floor(at));
  return `rgb(${RAMP[i].map((c, j) => Math.round(c + (RAMP[i + 1][j] - c) * (at - i))).join(' ')})`;
}

const column = (x, y, size, lines, more) => lines.map((line, i) => put(x, y + i * (size + 3), size, line, more));

// The four numbers, and why they differ.
function heads(plan, lay, kinds) {
  const of = name => plan.stages.find(stage => stage.name === name), {A, G} = plan.sizes, run = of('runner.run');
  const words = plan.texts.picture, sample = of('buffer.sample'), axis = sample.fields[0].axes[0], kind = plan.kinds;
  const told = [
    [words.runner_steps, run.leading, run.calls > 1 ? tell(words.times, run) : 'R', kinds[kind.R]],
    [words.sample_holds, sample.leading, plan.grouped ? `${axis} = ${G} × ${A}` : axis, kinds[kind[axis]]],
    [words.learner_sees, G, 'G', kinds[kind.G]],
    [words.network_sees, G * A, tell(words.rows, plan.sizes), 'currentColor'],
  ];
  const step = (lay.W - 8) / 4, big = lay.compact || lay.narrow ? 20 : 30, low = lay.compact ? 32 : 44;
  const out = told.map(([who, number, made, colour], i) => {
    const x = 8 + i * step, beside = lay.narrow ? x : x + String(number).length * big * 0.7 + 6;
    return [
      put(x, 12, lay.narrow ? 9.5 : 11, who, {opacity: 0.8}), put(x, low, big, number, {...BOLD, fill: colour}),
      put(beside, lay.narrow ? low + 14 : low, 11, made, {opacity: 0.8}),
    ];
  });
  return lay.compact ? out : [...out, column(8, lay.narrow ? 76 : 66, FONT.head, lay.head)];
}

export function facts(stage, shown) {
  const room = stage.name.includes('.') ? stage.name.split('.')[0] : '', ms = shown.ms?.[stage.name];
  return [room, stage.calls > 1 ? tell(shown.plan.texts.picture.calls, stage) : '', ms === undefined ? '' : msText(ms), deviceOf(stage.name, shown)]
    .filter(Boolean).join(' · ');
}

// Main memory up to truncate, the learner's device from to_device on.
export function deviceOf(name, {plan, device}) {
  const names = plan.stages.map(stage => stage.name), moved = names.indexOf('to_device');
  return names.indexOf(name) < moved ? 'cpu' : device;
}

function chips(row, lay, plan, kinds) {
  const [field] = row.stage.fields, [w, h] = CHIP[lay.compact ? 'compact' : 'roomy'], {x, y} = row.chips;
  const shape = row.stage.measured?.fields.find(one => one.key === field.key)?.shape;
  const name = put(x, y + h / 2 + 4, 11, field.key, {'font-family': 'ui-monospace, monospace'});
  const made = field.axes.map((axis, i) => {
    const left = x + 58 + i * (w + 2), colour = kinds[plan.kinds[axis] ?? 'features'], middle = left + w / 2;
    const open = !shape && /^T/.test(axis) ? '≤' : '', number = `${open}${shape?.[i] ?? field.shape[i]}`;
    const frame = box(left, y, w, h, {fill: colour, 'fill-opacity': 0.14, stroke: colour, rx: 3});
    if (lay.compact) return [frame, node('text', {x: middle, y: y + 13, 'font-size': 10, ...MIDDLE}, `${axis} `, node('tspan', BOLD, number))];
    return [frame, put(middle, y + 12, 10, axis, MIDDLE), put(middle, y + 28, 13, number, {...MIDDLE, ...BOLD})];
  });
  return node('g', named(field, row.stage), name, made);
}

function named(field, stage) {
  const shape = stage.measured?.fields.find(one => one.key === field.key)?.shape ?? field.shape;
  return {'data-field': field.key, 'data-shape': `[${shape.join(',')}]`};
}

// Every other field, too; shown where the stage before has others.
function also(row, stage, words) {
  const {x, y, lines} = row.also;
  if (!lines[0].length) return null;
  const spans = lines.map((fields, i) => fields.map((field, j) => {
    const down = i && !j ? {x, dy: FONT.also + 2.5} : {};
    return node('tspan', {...down, ...named(field, stage)}, `${fieldText(field)}  `);
  }));
  return node('text', {x, y, 'font-size': FONT.also, opacity: 0.8, display: row.told ? undefined : 'none'}, `${words.also} `, spans);
}

function rings(plan, lay) {
  return lay.rings.map(({x, y, r}, s) => [
    node('circle', {cx: x, cy: y, r, fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.18, 'stroke-width': 5}),
    node('path', {'data-ring': s, fill: 'none', stroke: plan.grouped ? seatColour(s, plan.sizes.A) : plan.ink, 'stroke-width': 5}),
    r > 8 ? put(x, y + 4, 10, plan.grouped ? s : '', MIDDLE) : null,
  ]);
}

// The arc of a ring that holds `share` of what it can.
export function arc({x, y, r}, share) {
  if (share <= 0) return '';
  const end = 2 * Math.PI * Math.min(0.9999, share);
  return `M${x} ${y - r}A${r} ${r} 0 ${Number(share > 0.5)} 1 ${x + r * Math.sin(end)} ${y - r * Math.cos(end)}`;
}

function beside(row, lay, plan, shown) {
  const {chart, stage} = row, words = plan.texts.picture;
  if (stage.name === 'runner.run' && lay.lens.wider > 1.05) {
    const last = lay.lens.places[lay.lens.n - 1];
    const factor = lay.lens.wider.toPrecision(2);
    return [put(last.x + last.w + 6, chart.y + chart.h / 2 + 3, 9.5, tell(words.wider, {factor}), {opacity: 0.8})];
  }
  if (stage.name === 'buffer.insert_episode_batch') {
    const last = lay.rings[plan.rings - 1], at = lay.narrow ? [lay.W - 8, row.y + 28] : [last.x + last.r + 10, last.y + 4];
    const [x, y] = at, held = {x, y, 'font-size': 10.5, class: 'omg-held', 'text-anchor': lay.narrow ? 'end' : undefined};
    return [...rings(plan, lay), node('text', held)];
  }
  if (stage.name === 'to_device') {
    const device = deviceOf('to_device', shown), moved = {cpu: words.stays, auto: words.may_move}[device] ?? tell(words.moves, {device});
    return [put(chart.x, chart.y + 14, 11, moved, {class: 'omg-transfer'})];
  }
  return [];
}

// The texts .omg-facts and .omg-held, the bar .omg-ms and the arcs of the rings are filled by the picture, while a run goes on.
function row(row, lay, plan, shown, kinds) {
  const {stage, y} = row, [colour, sign] = shown.marks[stage.state], [main] = stage.fields, name = stage.name.split('.').pop();
  const open = stage.state === 'predicted', words = plan.texts.picture, {leading} = stage;
  const leads = {...BOLD, 'text-anchor': 'end', fill: leading === null ? undefined : kinds[plan.kinds[main.axes[0]]]};
  const about = {'data-stage': stage.name, 'data-state': stage.state, 'data-calls': stage.calls, 'data-leading': leading ?? ''};
  return node('g', about,
    box(0, y, lay.W, row.h - 2, {class: 'omg-back'}),
    node('path', {d: `M4 ${y}H${lay.W - 4}`, stroke: 'currentColor', 'stroke-opacity': 0.15}),
    node('path', {class: 'omg-now', d: `M1 ${y + 4}l7 5l-7 5z`, fill: '#3b82d6'}),
    node('circle', {cx: 14, cy: y + 10, r: 5.5, stroke: colour, fill: colour, 'fill-opacity': open ? 0 : undefined, 'stroke-dasharray': open ? '2 2' : undefined}),
    put(14, y + 13.5, 9.5, sign, {...MIDDLE, ...BOLD, fill: open ? undefined : '#fff'}),
    put(23, y + 14, 12, name, BOLD), node('text', {x: 23, y: y + 26, 'font-size': 9.5, class: 'omg-facts', opacity: 0.85}),
    node('rect', {x: 23, y: y + 29, height: 3, class: 'omg-ms', fill: '#dd7011'}),
    leading === null ? null : put(lay.narrow ? lay.W - 8 : lay.left - 8, y + 18, 18, leading, leads),
    main?.axes.length ? chips(row, lay, plan, kinds) : null, also(row, stage, words), beside(row, lay, plan, shown),
    column(row.why.x, row.why.y, FONT.why, row.why.lines, stage.wrong ? {...BOLD, fill: colour} : {}));
}

// The parts, from top to bottom: heads, a row for each stage, the legend. `shown` has plan, device, ms (a running mean
// for each stage), kinds and marks (colours).
export function skeleton(lay, shown) {
  const {plan, kinds} = shown, last = column(8, lay.legend.y, FONT.legend, lay.legend.lines, {opacity: 0.85});
  return [node('g', {}, heads(plan, lay, kinds)), ...lay.rows.map(one => row(one, lay, plan, shown, kinds)), node('g', {}, last)];
}

const SVG = 'http://www.w3.org/2000/svg';
function made(next) {
  if (typeof next === 'string') return document.createTextNode(next);
  const element = document.createElementNS(SVG, next.tag);
  rename(element, {}, next.attributes);
  element.append(...next.children.map(made));
  return element;
}

function rename(element, before, after) {
  for (const name in after) {
    const value = after[name];
    if (value === before[name]) continue;
    if (value === undefined) element.removeAttribute(name); else element.setAttribute(name, value);
  }
  for (const name in before) if (!(name in after)) element.removeAttribute(name);
}

// Change what differs between the children that `parent` has and those that it should have; reading the page, or making
// it again, takes longer than a frame.
export function redraw(parent, before, after) {
  let at = parent.firstChild;
  after.forEach((next, i) => {
    const old = before[i], here = at;
    if (old === undefined) { parent.append(made(next)); return; }
    at = here.nextSibling;
    if (typeof next === 'string' && typeof old === 'string') {
      if (next !== old) here.data = next;
      return;
    }
    if (next.tag !== old.tag || next.attributes.class !== old.attributes.class) {  // what has a class may have been filled
      here.replaceWith(made(next));
      return;
    }
    rename(here, old.attributes, next.attributes);
    redraw(here, old.children, next.children);
  });
  for (let extra = before.length; extra > after.length; extra -= 1) {
    const here = at;
    at = here.nextSibling;
    here.remove();
  }
}

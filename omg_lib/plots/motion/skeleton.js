// Everything that stands still: text, chips, rings and the data attributes, as SVG text; and how a new one replaces it.
import {fieldText, msText, tell} from './contract.js';
import {CHIP, FONT} from './layout.js';

const safe = text => String(text).replace(/[&<>"]/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[c]);
const put = (x, y, size, words, more = '') => `<text x="${x}" y="${y}" font-size="${size}" ${more}>${safe(words)}</text>`;
const box = (x, y, w, h, more) => `<rect x="${x}" y="${y}" width="${w}" height="${h}" ${more}/>`;

// Twelve hues would not tell sixteen seats apart: one ramp, dark to light, safe for colour blindness, ordered by seat.
const RAMP = [[70, 40, 170], [150, 40, 160], [205, 70, 115], [235, 115, 60], [240, 165, 45]];
export function seatColour(seat, seats) {
  const at = seats > 1 ? seat / (seats - 1) * (RAMP.length - 1) : 2, i = Math.min(RAMP.length - 2, Math.floor(at));
  return `rgb(${RAMP[i].map((c, j) => Math.round(c + (RAMP[i + 1][j] - c) * (at - i))).join(' ')})`;
}

const column = (x, y, size, lines, more = '') => lines.map((line, i) => put(x, y + i * (size + 3), size, line, more)).join('');

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
    return put(x, 12, lay.narrow ? 9.5 : 11, who, 'opacity=".8"') +
      put(x, low, big, number, `font-weight="bold" fill="${colour}"`) +
      put(beside, lay.narrow ? low + 14 : low, 11, made, 'opacity=".8"');
  }).join('');
  if (lay.compact) return out;
  return out + column(8, lay.narrow ? 76 : 66, FONT.head, lay.head);
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
  const name = put(x, y + h / 2 + 4, 11, field.key, 'font-family="ui-monospace, monospace"');
  const made = field.axes.map((axis, i) => {
    const left = x + 58 + i * (w + 2), colour = kinds[plan.kinds[axis] ?? 'features'];
    const open = !shape && /^T/.test(axis) ? '≤' : '', number = open + (shape?.[i] ?? field.shape[i]);
    const frame = box(left, y, w, h, `fill="${colour}" fill-opacity=".14" stroke="${colour}" rx="3"`);
    if (lay.compact) return frame + `<text x="${left + w / 2}" y="${y + 13}" font-size="10" text-anchor="middle">${safe(axis)} <tspan font-weight="bold">${number}</tspan></text>`;
    return frame + put(left + w / 2, y + 12, 10, axis, 'text-anchor="middle"') +
      put(left + w / 2, y + 28, 13, number, 'text-anchor="middle" font-weight="bold"');
  }).join('');
  return `<g ${named(field, row.stage)}>${name}${made}</g>`;
}

function named(field, stage) {
  const shape = stage.measured?.fields.find(one => one.key === field.key)?.shape ?? field.shape;
  return `data-field="${safe(field.key)}" data-shape="[${shape.join(',')}]"`;
}

// Every other field, too; shown where the stage before has others.
function also(row, stage, words) {
  const {x, y, lines} = row.also;
  if (!lines[0].length) return '';
  const spans = lines.map((fields, i) => fields.map((field, j) =>
    `<tspan ${i && !j ? `x="${x}" dy="${FONT.also + 2.5}" ` : ''}${named(field, stage)}>${safe(fieldText(field))}  </tspan>`).join('')).join('');
  return `<text x="${x}" y="${y}" font-size="${FONT.also}" opacity=".8" ${row.told ? '' : 'display="none"'}>${words.also} ${spans}</text>`;
}

function rings(plan, lay) {
  return lay.rings.map(({x, y, r}, s) =>
    `<circle cx="${x}" cy="${y}" r="${r}" fill="none" stroke="currentColor" stroke-opacity=".18" stroke-width="5"/>` +
    `<path data-ring="${s}" fill="none" stroke="${plan.grouped ? seatColour(s, plan.sizes.A) : plan.ink}" stroke-width="5"/>` +
    (r > 8 ? put(x, y + 4, 10, plan.grouped ? s : '', 'text-anchor="middle"') : '')).join('');
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
    return put(last.x + last.w + 6, chart.y + chart.h / 2 + 3, 9.5, tell(words.wider, {factor: lay.lens.wider.toPrecision(2)}), 'opacity=".8"');
  }
  if (stage.name === 'buffer.insert_episode_batch') {
    const last = lay.rings[plan.rings - 1], at = lay.narrow ? [lay.W - 8, row.y + 28] : [last.x + last.r + 10, last.y + 4];
    return rings(plan, lay) + put(...at, 10.5, '', `class="omg-held" ${lay.narrow ? 'text-anchor="end"' : ''}`);
  }
  if (stage.name === 'to_device') {
    const device = deviceOf('to_device', shown), moved = {cpu: words.stays, auto: words.may_move}[device] ?? tell(words.moves, {device});
    return put(chart.x, chart.y + 14, 11, moved, 'class="omg-transfer"');
  }
  return '';
}

function row(row, lay, plan, shown, kinds) {
  const {stage, y} = row, [colour, sign] = shown.marks[stage.state], [main] = stage.fields, name = stage.name.split('.').pop();
  const words = plan.texts.picture;
  return `<g data-stage="${safe(stage.name)}" data-state="${stage.state}" data-calls="${stage.calls}" data-leading="${stage.leading ?? ''}">` +
    `<rect class="omg-back" x="0" y="${y}" width="${lay.W}" height="${row.h - 2}"/>` +
    `<path d="M4 ${y}H${lay.W - 4}" stroke="currentColor" stroke-opacity=".15"/>` +
    `<path class="omg-now" d="M1 ${y + 4}l7 5l-7 5z" fill="#3b82d6"/>` +
    `<circle cx="14" cy="${y + 10}" r="5.5" stroke="${colour}" fill="${colour}" ${stage.state === 'predicted' ? 'fill-opacity="0" stroke-dasharray="2 2"' : ''}/>` +
    put(14, y + 13.5, 9.5, sign, `text-anchor="middle" font-weight="bold" ${stage.state === 'predicted' ? '' : 'fill="#fff"'}`) +
    put(23, y + 14, 12, name, 'font-weight="bold"') + put(23, y + 26, 9.5, facts(stage, shown), 'class="omg-facts" opacity=".85"') +
    box(23, y + 29, 0, 3, 'class="omg-ms" fill="#dd7011"') +
    (stage.leading === null ? '' : put(lay.narrow ? lay.W - 8 : lay.left - 8, y + 18, 18, stage.leading, `font-weight="bold" text-anchor="end" fill="${kinds[plan.kinds[main.axes[0]]]}"`)) +
    (main?.axes.length ? chips(row, lay, plan, kinds) : '') + also(row, stage, words) +
    beside(row, lay, plan, shown) +
    column(row.why.x, row.why.y, FONT.why, row.why.lines, stage.wrong ? `fill="${colour}" font-weight="bold"` : '') + '</g>';
}

// The parts, from top to bottom: heads, a row for each stage, the legend. `shown` has plan, device, ms (a running mean
// for each stage), kinds and marks (colours).
export function skeleton(lay, shown) {
  const {plan, kinds} = shown, last = column(8, lay.legend.y, FONT.legend, lay.legend.lines, 'opacity=".85"');
  return [`<g>${heads(plan, lay, kinds)}</g>`, ...lay.rows.map(one => row(one, lay, plan, shown, kinds)), `<g>${last}</g>`];
}

// Change the parts of an <svg> that differ: laying all texts out again takes longer than a frame.
export function redraw(svg, before, parts) {
  if (before.length !== parts.length) { svg.innerHTML = parts.join(''); return; }
  const fresh = svg.cloneNode(false);
  parts.forEach((part, i) => {
    if (part === before[i]) return;
    fresh.innerHTML = part;
    morph(svg.children[i], fresh.firstChild);
  });
}

function morph(old, next) {
  if (old.nodeName !== next.nodeName || old.childNodes.length !== next.childNodes.length) { old.replaceWith(next); return; }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const {name, value} of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const {name} of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  const kids = [...next.childNodes];
  [...old.childNodes].forEach((kid, i) => morph(kid, kids[i]));
}

// Where everything stands. One true scale: a cell is one seat of one episode, and has the same size in every stage.
import {axisSize, fill, reasonText, tell, unravel, wrap, wrapFields} from './contract.js';

const HEIGHTS = {'runner.run': [34, 26], 'buffer.insert_episode_batch': [44, 32], truncate: [34, 22], to_device: [20, 18], 'learner.td_loss': [16, 14]};
const SAMPLE = [64, 42];  // all seats of an episode, one below the other; roomy and compact
const UNFOLDED = 130;  // the time axis, once it is unfolded
const LINE = 10;  // between a block and the line of rows that it unfolds into
export const FONT = {head: 12, why: 11, also: 9.5, legend: 10.5};
const WIDEST = 24, LENS = 14, RING = 46, HELD = 150;  // HELD: the text beside the rings
export const CHIP = {roomy: [44, 34], compact: [54, 18]};

// `look` has compact and unfolded. Sizes are CSS pixels.
export function layout(plan, W, look) {
  const {A, G} = plan.sizes, size = look.compact ? 1 : 0, narrow = W < 720;
  const left = narrow ? 8 : 200, right = narrow ? 8 : look.compact ? 296 : 258, wide = W - left - right;
  const each = Math.max(1, Math.ceil(G * A / wide)), groups = Math.ceil(G / each);
  const cell = {w: Math.min(WIDEST, wide / (groups * A)), h: SAMPLE[size] / A, each, groups}, line = Math.min(cell.h, 12);
  const heights = name => name === 'truncate' && look.unfolded ? UNFOLDED : name in HEIGHTS ? HEIGHTS[name][size]
    : name === 'buffer.sample' || name === 'learner.regroup' || (name === 'learner.omg_loss' && !size) ? SAMPLE[size]
    : name === 'controller.init_hidden' ? SAMPLE[size] + LINE : name === 'learner.q_values' ? line : 0;
  const rows = [], room = W - left - 8, head = wrap(fill(plan.words.headline, plan.sizes), FONT.head, W - 16);
  let y = look.compact ? 50 : (narrow ? 97 : 69) + head.length * (FONT.head + 3), others = '';
  for (const stage of plan.stages) {
    const h = heights(stage.name), chips = stage.fields[0]?.axes.length ? CHIP[look.compact ? 'compact' : 'roomy'][1] : 0;
    const own = JSON.stringify(stage.fields.slice(1).map(field => [field.key, field.axes.slice(2)]));
    const told = !look.compact && !narrow && stage.fields.length > 1 && own !== others;
    others = own;
    const top = narrow ? 30 : look.compact ? 4 : 6;
    const body = narrow ? top + h + (chips ? chips + 8 : 4) : Math.max(top + Math.max(h, chips), look.compact ? 26 : 40);
    const why = look.compact ? [] : wrap(reasonText(stage, plan), FONT.why, room), under = y + body + 11 + why.length * (FONT.why + 3);
    const also = wrapFields(plan.texts.picture.also, stage.fields.slice(chips ? 1 : 0), FONT.also, room);
    rows.push({
      stage, y, told, h: body + why.length * (FONT.why + 3) + 1 + (told ? also.length * (FONT.also + 2.5) + 2 : 0) + 5,
      chart: {x: left, y: y + top, w: wide, h},
      chips: narrow ? {x: left, y: y + top + h + 6} : {x: W - right + 10, y: y + top},
      why: {x: left, y: y + body + 11, lines: why}, also: {x: left, y: under, lines: also},
    });
    y += rows[rows.length - 1].h;
  }
  const mark = each > 1 ? tell(plan.texts.picture.marks, {each}) : plan.texts.picture.one_mark;
  const legend = wrap(tell(plan.grouped ? plan.texts.picture.colours : plan.texts.picture.all_learn, {mark}), FONT.legend, W - 16);
  const H = Math.ceil(y + 10 + legend.length * (FONT.legend + 3));
  const lay = {W, H, narrow, compact: look.compact, left, rows, cell, line, head, legend: {lines: legend, y: y + 14}};
  lay.at = name => rows.find(row => row.stage.name === name);
  return Object.assign(lay, {lens: lensOf(plan, lay), rings: ringsOf(plan, lay)});
}

// The runner's episodes, drawn wider than the true scale where they would be too thin to see; says by how much.
function lensOf(plan, lay) {
  const {chart, stage} = lay.at('runner.run'), n = stage.calls * stage.leading, gap = n > 60 ? 0 : 3;
  const scale = lay.cell.w / lay.cell.each;
  const w = Math.max(Math.min(scale, WIDEST), Math.min(LENS, (chart.w - 130) / n - gap));
  const places = Array.from({length: n}, (_, j) => ({x: chart.x + j * w + gap * Math.floor(j / stage.leading), y: chart.y, w, h: chart.h}));
  return {n, w, wider: w / scale, places};
}

function ringsOf(plan, lay) {
  const {chart} = lay.at('buffer.insert_episode_batch'), pitch = Math.min(RING, (chart.w - (lay.narrow ? 0 : HELD)) / plan.rings);
  const r = Math.max(1, Math.min(chart.h, pitch) / 2 - 3);
  return Array.from({length: plan.rings}, (_, s) => ({x: chart.x + pitch * (s + 0.5), y: chart.y + chart.h / 2, r}));
}

// What every cell of the learner is: group g, seat a, and its place in each stage. Where one mark stands for several
// episodes, it stands for the same seat of `cell.each` groups. Who sat where is the run's bookkeeping; without a run it
// is the plan's: rows of G*A, so the index of an episode lies on G and on A.
export function marksOf(plan, lay) {
  const {A, G} = plan.sizes, {w, h, each, groups} = lay.cell, marks = [];
  const sample = lay.at('buffer.sample').chart, block = (lay.at('learner.regroup') ?? lay.at('buffer.sample')).chart;
  const hidden = lay.at('controller.init_hidden').chart, values = lay.at('learner.q_values').chart;
  for (let a = 0; a < A; a++) for (let m = 0; m < groups; m++) {
    const g = m * each, e = plan.grouped ? episodeOf(plan, g, a) : g, seat = plan.grouped ? seatOf(plan, e, a) : a;
    const column = !plan.grouped ? m : each === 1 ? e : m * A + a, sorted = plan.grouped ? a * groups + m : m;
    marks.push({
      g, a, e, seat, taken: plan.regrouped?.slots[g * A + a] ?? null, count: Math.min(each, G - g),
      memory: sample.x + column * w, sorted: sample.x + sorted * w, sample: [0, sample.y + seat * h],
      block: [block.x + m * w, block.y + a * h], folded: [hidden.x + m * w, hidden.y + a * h], row: [hidden.x + (m * A + a) * w, hidden.y + hidden.h - lay.line],
      value: [hidden.x + (m * A + a) * w, values.y],
    });
  }
  for (const mark of marks) if (mark.taken) {  // the mark of the episode that its slot holds
    const [g, a] = unravel(mark.taken[0], [G, A]);
    mark.held = marks[a * groups + Math.floor(g / each)];
  }
  return marks;
}

export const episodeOf = (plan, g, a) => plan.books ? plan.books.rows[g * plan.sizes.A + a] : g * plan.sizes.A + a;
export const seatOf = (plan, e, a) => plan.books ? plan.books.seats[e] : a;
export const episodesOf = plan => axisSize(plan.grouped ? 'G*A' : 'G', plan.sizes);

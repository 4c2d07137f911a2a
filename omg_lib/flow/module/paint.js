// The cells, on a canvas above the skeleton: what stands still after each stage, and what moves while one runs.
import {seatColour} from './skeleton.js';

const GREY = '128 128 128', PALE = 0.28, GHOST = 0.35, LOSS = 9;
export const SECONDS = {'runner.run': 2, 'buffer.insert_episode_batch': 1.2, 'buffer.sample': 1.6, truncate: 1, to_device: 0.6,
  'learner.regroup': 2.2, 'learner.omg_loss': 1.2, 'controller.init_hidden': 1.6, 'learner.td_loss': 1.2};
export const SHORT = 0.5;  // seconds of a stage in which nothing moves

const ease = t => (t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t));
const mixed = (a, b, t) => a + (b - a) * t;
const turn = (f, at, share = 0.5) => ease((f - at * (1 - share)) / share);  // who comes at `at` of the queue moves now
const grey = alpha => `rgb(${GREY} / ${alpha})`;

// scene: plan, lay, marks, mix (0: memory order, 1: sorted by seat), ink (colour of text).
export const sampleX = (scene, mark) => mixed(mark.memory, mark.sorted, scene.mix);
const samplePlace = (scene, mark) => [sampleX(scene, mark), mark.sample[1]];
const columns = ({plan, lay}) => lay.cell.groups * (plan.grouped ? plan.sizes.A : 1);

function dab(ctx, {lay: {cell}}, x, y, h) {
  ctx.fillRect(x, y, Math.max(0.7, cell.w * 0.92), Math.max(0.7, h * 0.88));
}

// What a slot holds after a regrouping of the reader's own: a teammate's data is grey, a learner's has its seat's colour.
const slotColour = ({taken: [, seat, what]}, A) => what === 'teammate' ? grey(0.55) : seatColour(seat, A);

// All marks, seat by seat: a colour is set once. `place` gives a mark's [x, y]. `own`: after regrouping.
function dabs(ctx, scene, place, h = scene.lay.cell.h, own = false) {
  const {A} = scene.plan.sizes, {groups} = scene.lay.cell;
  for (let a = 0; a < A; a++) {
    ctx.fillStyle = seatColour(a, A);
    for (let m = 0; m < groups; m++) {
      const mark = scene.marks[a * groups + m], at = place(mark, m);
      if (own && mark.taken) ctx.fillStyle = slotColour(mark, A);
      dab(ctx, scene, at[0], at[1], at[2] ?? h);
    }
  }
}

function between(ctx, scene, f, from, to, own = true) {
  const {groups} = scene.lay.cell;
  dabs(ctx, scene, (mark, m) => {
    const a = from(mark), b = to(mark), t = turn(f, groups > 1 ? m / (groups - 1) : 0);
    return [mixed(a[0], b[0], t), mixed(a[1], b[1], t), mixed(a[2] ?? scene.lay.cell.h, b[2] ?? scene.lay.cell.h, t)];
  }, scene.lay.cell.h, own);
}

function frame(ctx, x, y, w, h) {
  ctx.strokeStyle = grey(GHOST);
  ctx.setLineDash([3, 3]);
  ctx.strokeRect(x + 0.5, y + 0.5, w, h);
  ctx.setLineDash([]);
}

function episode(ctx, {plan: {grouped, sizes: {A}}}, j, {x, y, w, h}, played) {
  ctx.fillStyle = grey(PALE);
  ctx.fillRect(x, y, w * 0.92 * played, h);
  for (let s = 0; s < A; s++) if (!grouped || s === j) {
    ctx.fillStyle = seatColour(s, A);
    ctx.fillRect(x, y + s * h / A, w * 0.92 * played, h / A * 0.88);
  }
}

const ringOf = ({lay: {rings}}, seat) => rings[rings.length > 1 ? seat : 0];

function mates(ctx, scene, alpha, name = 'buffer.sample') {  // the teammates' seats of every drawn episode
  const {chart} = scene.lay.at(name);
  ctx.fillStyle = grey(alpha);
  if (scene.plan.grouped) ctx.fillRect(chart.x, chart.y, columns(scene) * scene.lay.cell.w, chart.h);
}

// Episodes side by side, time downwards: real steps, padding, and what lies below T. `cut` goes from 0 to 1.
function lengths(ctx, scene, cut) {
  const {plan, lay, marks} = scene, {chart} = lay.at('truncate'), {A, L} = plan.sizes, one = chart.h / (L + 1);
  const T = plan.measured?.sizes.T ?? L + 1, wide = columns(scene) * lay.cell.w, fall = cut * cut * 14;
  const seen = plan.grouped ? marks : marks.filter(mark => mark.a === 0);
  for (const mark of seen) {
    const steps = plan.books ? plan.books.lengths[mark.e] : L + 1, x = sampleX(scene, mark), w = Math.max(0.7, lay.cell.w * 0.92);
    ctx.globalAlpha = plan.books ? 0.85 : 0.4;  // nobody knows the lengths before a run
    ctx.fillStyle = plan.grouped ? seatColour(mark.seat, A) : scene.ink;
    ctx.fillRect(x, chart.y, w, steps * one);
  }
  ctx.globalAlpha = 1;
  if (!plan.books) return;
  ctx.fillStyle = grey(0.22);
  for (const mark of seen) {
    const steps = plan.books.lengths[mark.e];
    ctx.fillRect(sampleX(scene, mark), chart.y + steps * one, lay.cell.w, Math.max(0, T - steps) * one);
  }
  ctx.fillStyle = grey(0.22 * (1 - cut));
  ctx.fillRect(chart.x, chart.y + T * one + fall, wide, (L + 1 - T) * one);
  frame(ctx, chart.x, chart.y + T * one, wide, (L + 1 - T) * one);
  ctx.fillStyle = '#e0484d';
  ctx.fillRect(chart.x - 4, chart.y + T * one - 0.75, (wide + 8) * Math.max(cut, 0.02), 1.5);
}

// The regrouped block, and H copies of it that move one step ahead each.
function fan(ctx, scene, f) {
  const {plan: {sizes: {A, H}}, lay: {cell}} = scene, {chart} = scene.lay.at('learner.omg_loss');
  const wide = cell.groups * cell.w, step = Math.min(wide + 5, (chart.w - wide) / H);
  for (let k = H; k >= 0; k--) {
    ctx.globalAlpha = k ? 0.75 - 0.1 * k : 1;
    const x = chart.x + k * step * turn(f, k / H);
    if (scene.plan.regrouped?.slots.length) dabs(ctx, scene, ({g, a}) => [x + Math.floor(g / cell.each) * cell.w, chart.y + a * cell.h], cell.h, true);
    else for (let a = 0; a < A; a++) {
      ctx.fillStyle = seatColour(a, A);
      ctx.fillRect(x, chart.y + a * cell.h, wide, cell.h * 0.88);
    }
  }
  ctx.globalAlpha = 1;
}

const rowsAt = (ctx, scene, place) => dabs(ctx, scene, mark => mark[place], scene.lay.line, true);
const lossPlace = lay => { const {chart} = lay.at('learner.td_loss'); return [chart.x + 4, chart.y + chart.h / 2 - 4]; };

// What each stage leaves; `done` is false before it has run.
const STILL = {
  'runner.run'(ctx, scene, done) {
    scene.lay.lens.places.forEach((place, j) => done ? episode(ctx, scene, j, place, 1) : frame(ctx, place.x, place.y, place.w, place.h));
  },
  'buffer.insert_episode_batch'(ctx, scene, done) {
    const {books, sizes: {A}} = scene.plan;
    if (!done || !books) return;
    ctx.lineWidth = 1.2;
    for (const mark of scene.marks) {  // a tick for each episode that the sample has drawn, at its place in the ring
      if (!scene.plan.grouped && mark.a) continue;
      const {x, y, r} = ringOf(scene, mark.seat), angle = 2 * Math.PI * books.places[mark.e] / books.capacity;
      ctx.strokeStyle = scene.plan.grouped ? seatColour(mark.seat, A) : scene.ink;
      ctx.beginPath();
      ctx.moveTo(x + (r - 6) * Math.sin(angle), y - (r - 6) * Math.cos(angle));
      ctx.lineTo(x + (r + 5) * Math.sin(angle), y - (r + 5) * Math.cos(angle));
      ctx.stroke();
    }
    ctx.lineWidth = 1;
  },
  'buffer.sample'(ctx, scene, done) {
    const {chart} = scene.lay.at('buffer.sample');
    if (!done) return frame(ctx, chart.x, chart.y, columns(scene) * scene.lay.cell.w, chart.h);
    mates(ctx, scene, PALE);
    return dabs(ctx, scene, mark => samplePlace(scene, mark));
  },
  truncate(ctx, scene, done) {
    const {chart} = scene.lay.at('truncate');
    if (done) lengths(ctx, scene, 1); else frame(ctx, chart.x, chart.y, columns(scene) * scene.lay.cell.w, chart.h);
  },
  'learner.regroup'(ctx, scene, done) {
    const {chart} = scene.lay.at('learner.regroup'), {cell} = scene.lay;
    if (done) dabs(ctx, scene, mark => mark.block, cell.h, true); else frame(ctx, chart.x, chart.y, cell.groups * cell.w, chart.h);
  },
  'learner.omg_loss'(ctx, scene, done) {
    const {chart} = scene.lay.at('learner.omg_loss'), {cell} = scene.lay;
    if (!chart.h) return;
    if (done) fan(ctx, scene, 1); else frame(ctx, chart.x, chart.y, cell.groups * cell.w, chart.h);
  },
  'controller.init_hidden'(ctx, scene, done) {
    const {chart} = scene.lay.at('controller.init_hidden'), {cell, line} = scene.lay, {A} = scene.plan.sizes;
    frame(ctx, chart.x, chart.y, cell.groups * cell.w, A * cell.h);
    if (done) rowsAt(ctx, scene, 'row'); else frame(ctx, chart.x, chart.y + chart.h - line, cell.groups * A * cell.w, line);
  },
  'learner.q_values'(ctx, scene, done) {
    const {chart} = scene.lay.at('learner.q_values'), {cell, line} = scene.lay, {A} = scene.plan.sizes;
    if (done) rowsAt(ctx, scene, 'value'); else frame(ctx, chart.x, chart.y, cell.groups * A * cell.w, line);
  },
  'learner.td_loss'(ctx, scene, done) {
    const [x, y] = lossPlace(scene.lay);
    if (!done) return frame(ctx, x, y, LOSS, LOSS);
    ctx.fillStyle = scene.ink;
    ctx.fillRect(x, y, LOSS, LOSS);
  },
};

// What moves during a stage, from f = 0 to f = 1.
const MOVING = {
  'runner.run'(ctx, scene, f) {
    const {calls} = scene.lay.at('runner.run').stage, each = scene.lay.lens.n / calls;
    scene.lay.lens.places.forEach((place, j) => {
      const played = Math.min(1, Math.max(0, f * calls - Math.floor(j / each)));
      if (played) episode(ctx, scene, j, place, played);
    });
  },
  'buffer.insert_episode_batch'(ctx, scene, f) {
    const {places, n} = scene.lay.lens;
    places.forEach((from, j) => {
      const to = ringOf(scene, j), t = turn(f, n > 1 ? j / (n - 1) : 0, 0.4), size = mixed(1, 0.15, t);
      if (t < 1) episode(ctx, scene, j, {x: mixed(from.x, to.x, t), y: mixed(from.y, to.y, t), w: from.w * size, h: from.h * size}, 1);
    });
  },
  'buffer.sample'(ctx, scene, f) {
    mates(ctx, scene, PALE * f);
    between(ctx, scene, f, mark => { const {x, y} = ringOf(scene, mark.seat); return [x, y]; }, mark => samplePlace(scene, mark), false);
  },
  truncate: (ctx, scene, f) => lengths(ctx, scene, f),
  'learner.regroup'(ctx, scene, f) {
    const {chart} = scene.lay.at('learner.regroup'), {h} = scene.lay.cell;  // what came in, and what of it is kept
    mates(ctx, scene, PALE * (1 - ease(1.3 * f)), 'learner.regroup');
    between(ctx, scene, f, mark => [sampleX(scene, mark.held ?? mark), chart.y + (mark.taken?.[1] ?? mark.seat) * h], mark => mark.block);
  },
  'learner.omg_loss'(ctx, scene, f) {
    if (scene.lay.at('learner.omg_loss').chart.h) fan(ctx, scene, f);
  },
  'controller.init_hidden'(ctx, scene, f) {
    between(ctx, scene, f, mark => mark.folded, mark => [...mark.row, scene.lay.line]);
  },
  'learner.td_loss'(ctx, scene, f) {
    const to = lossPlace(scene.lay);
    between(ctx, scene, f, mark => [mark.row[0], to[1], LOSS], () => [...to, LOSS]);
  },
};

// The first `done` stages have run. Where one moves now, only its empty frame is painted here.
export function paintStill(ctx, scene, done) {
  scene.plan.stages.forEach((stage, i) => STILL[stage.name]?.(ctx, scene, i < done));
}

export const paintMoving = (ctx, scene, now, f) => MOVING[scene.plan.stages[now].name]?.(ctx, scene, f);

// The chosen cells, ringed in every stage.
export function paintChosen(ctx, scene, chosen) {
  const {plan, lay} = scene, {cell} = lay, sample = lay.at('buffer.sample').chart, truncated = lay.at('truncate').chart;
  const ring = (x, y, w, h) => ctx.strokeRect(x - 2, y - 2, w + 4, h + 4);
  ctx.strokeStyle = scene.ink;
  ctx.lineWidth = 1.5;
  const drawn = new Set(), seats = new Set();
  for (const mark of chosen) {
    const held = mark.held ?? mark, x = sampleX(scene, held);
    if (!drawn.has(held.e)) { ring(x, sample.y, cell.w, sample.h); ring(x, truncated.y, cell.w, truncated.h); }
    drawn.add(held.e);
    seats.add(held.seat);
    if (lay.at('learner.regroup')) ring(...mark.block, cell.w, cell.h);
    ring(...mark.row, cell.w, lay.line);
    ring(...mark.value, cell.w, lay.line);
  }
  for (const seat of plan.grouped ? seats : []) {
    const {x, y, r} = ringOf(scene, seat), place = lay.lens.places[seat];
    ctx.beginPath();
    ctx.arc(x, y, r + 5, 0, 7);
    ctx.stroke();
    if (place) ring(place.x, place.y, place.w, place.h);
  }
  ctx.lineWidth = 1;
}

// Follow one episode, group, slot or row of the network through every stage: which cells it is, and a line of text.
import {tell, unravel} from './contract.js';
import {episodeOf, episodesOf, seatOf} from './layout.js';
import {sampleX} from './paint.js';

const rowsOf = plan => plan.sizes.G * plan.sizes.A;

// A choice is {episode}, {group}, {slot} or {group, slot}. Returns its cells as [group, slot] pairs.
function cellsOf(plan, choice) {
  const {A, G} = plan.sizes, all = n => Array.from({length: n}, (_, i) => i);
  if (choice.episode !== undefined) {
    if (!plan.grouped) return all(A).map(a => [choice.episode, a]);
    if (!plan.books) return [unravel(choice.episode, [G, A])];
    return [unravel(plan.books.rows.indexOf(choice.episode), [G, A])];
  }
  if (choice.group !== undefined) return (choice.slot === undefined ? all(A) : [choice.slot]).map(a => [choice.group, a]);
  return all(G).map(g => [g, choice.slot]);
}

export function chosenMarks(scene, choice) {
  const {each, groups} = scene.lay.cell, found = new Set(), {episode} = choice;
  if (episode !== undefined && scene.plan.regrouped?.slots.length) return scene.marks.filter(({taken}) => taken[0] === episode);
  for (const [g, a] of cellsOf(scene.plan, choice)) found.add(scene.marks[a * groups + Math.floor(g / each)]);
  return [...found];
}

// One line: what this is in every stage. Without a run it is the plan, and says so.
export function said(plan, choice) {
  const {A, G} = plan.sizes, cells = cellsOf(plan, choice), [[g, a]] = cells, rows = rowsOf(plan), row = g * A + a;
  const {books, grouped, texts: {followed}} = plan, kind = grouped ? '' : '_whole';
  const line = (name, values) => tell(followed[name + kind], {A, G, group: g, slot: a, row, rows, last: row + A - 1, ...values});
  const own = e => books ? line('place', {steps: books.lengths[e] - 1, place: books.places[e]}) : followed.plan;
  const held = plan.regrouped?.slots ?? [];
  if (cells.length === 1 && held.length) {
    if (choice.episode !== undefined) return line('used', {episode: choice.episode, seat: seatOf(plan, choice.episode, a), count: held.filter(([e]) => e === choice.episode).length});
    const [episode, seat, what] = held[row];
    return line('held', {episode, seat, what: plan.texts.moved[what]});
  }
  if (cells.length === 1) {
    if (!grouped) return line('cell', {episode: g, seat: a}) + (books ? '' : followed.plan);
    const e = episodeOf(plan, g, a);
    return line('cell', {episode: e, seat: seatOf(plan, e, a)}) + own(e);
  }
  if (choice.slot !== undefined) return line('slot', {}) + (books ? '' : followed.plan);
  if (!grouped) return line('group', {}) + own(g);
  return line('group', {episodes: cells.map(([one, seat]) => episodeOf(plan, one, seat)).join(', ')}) + (books ? '' : followed.plan);
}

// "episode 13", "group 3 slot 5", "seat 5", "row 40" -> a choice; a text says what is wrong.
export function search(plan, text) {
  const {A, G} = plan.sizes, {followed} = plan.texts, words = text.trim().toLowerCase(), found = {};
  const limits = {episode: episodesOf(plan), group: G, slot: A, seat: A, row: rowsOf(plan)};
  for (const [whole, name, number] of words.matchAll(/(episode|group|slot|seat|row)\s*(\d+)/g)) {
    if (Number(number) >= limits[name]) return tell(followed.limit, {asked: whole, last: limits[name] - 1});
    found[name] = Number(number);
  }
  if (!Object.keys(found).length) return tell(followed.search, {asked: text});
  if (found.row !== undefined) { const [group, slot] = unravel(found.row, [G, A]); return {group, slot}; }
  if (found.seat !== undefined) found.slot = found.seat;
  delete found.seat;
  return found.episode !== undefined ? {episode: found.episode} : found;
}

// What lies at a point of the picture.
export function under(scene, x, y) {
  const {plan, lay, marks} = scene, {cell} = lay, {A, G} = plan.sizes;
  const row = lay.rows.find(({chart}) => chart.h && y >= chart.y && y <= chart.y + chart.h && x >= chart.x);
  const near = (place, h) => marks.find(mark => { const [left, top] = place(mark); return x >= left && x < left + cell.w && y >= top && y <= top + h; });
  if (!row) return null;
  const of = mark => (mark ? plan.grouped ? {episode: mark.e} : {group: mark.g, slot: mark.a} : null);
  switch (row.stage.name) {
    case 'buffer.sample': case 'truncate': {
      const mark = near(one => [sampleX(scene, one), row.chart.y], row.chart.h);
      return mark ? {episode: mark.e} : null;
    }
    case 'learner.regroup': case 'learner.omg_loss': {  // a slot
      const m = Math.floor((x - row.chart.x) / cell.w), a = Math.min(A - 1, Math.floor((y - row.chart.y) / cell.h));
      return m < cell.groups ? {group: Math.min(G - 1, m * cell.each), slot: a} : null;
    }
    case 'controller.init_hidden': return of(near(mark => mark.row, lay.line));
    case 'learner.q_values': return of(near(mark => mark.value, lay.line));
    case 'buffer.insert_episode_batch': {
      const s = lay.rings.findIndex(one => Math.hypot(one.x - x, one.y - y) <= one.r + 5);
      return s >= 0 && plan.grouped ? {slot: s} : null;
    }
    case 'runner.run': {
      const j = lay.lens.places.findIndex(one => x >= one.x && x < one.x + one.w);
      return j >= 0 && plan.grouped ? {slot: j} : null;
    }
    default: return null;
  }
}

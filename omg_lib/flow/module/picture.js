// The picture: skeleton and cells, the transport of one update, and the episode that is followed.
import {predict, refusal, spoken, tell, withMeasured} from './contract.js';
import {layout, marksOf, episodesOf} from './layout.js';
import {arc, facts, redraw, skeleton} from './skeleton.js';
import {SECONDS, SHORT, paintChosen, paintMoving, paintStill} from './paint.js';
import {chosenMarks, said, under} from './follow.js';

const MS_WIDE = 120;  // a bar of milliseconds, at most

export class Picture {
  // `box` becomes the element with class omg-flow; on.moved() hears of the transport, on.followed(text, pointed) of the
  // line of text.
  constructor(box, data, on) {
    Object.assign(this, {box, data, on, settings: data.settings, measured: null, device: data.settings.device, live: {}});
    Object.assign(this, {look: {compact: false, unfolded: false}, mix: 0, wanted: 0, speed: 1, playing: false, chosen: null, parts: []});
    box.innerHTML = '<svg role="img" fill="currentColor" font-family="system-ui, sans-serif"></svg>' +
      '<canvas aria-hidden="true"></canvas><canvas aria-hidden="true"></canvas>';
    [this.svg, this.still, this.top] = box.children;
    this.reduced = matchMedia('(prefers-reduced-motion: reduce)');
    this.resized = new ResizeObserver(() => { this.measureWidth(); if (this.W !== this.lay.W) this.draw(); });
    this.seen = new IntersectionObserver(all => { this.hidden = !all[all.length - 1].isIntersecting; this.run(); });
    box.addEventListener('pointermove', event => this.point(event));
    box.addEventListener('pointerleave', () => { if (!this.held) this.follow(null, true); });
    box.addEventListener('click', event => { this.point(event); this.held = this.chosen !== null; });
    this.phase = Infinity;
    this.measureWidth();
    this.draw();
    this.resized.observe(box);
    this.seen.observe(box);
  }

  destroy() {
    this.gone = true;
    this.resized.disconnect();
    this.seen.disconnect();
  }

  // --- what is shown --------------------------------------------------------------------------------------------------

  // New settings; the picture stays as it is if they cannot be drawn. Returns why not, or ''.
  set(settings) {
    const next = {...this.settings, ...settings}, why = refusal(this.data, next);
    if (why) return why;
    Object.assign(this, {settings: next, measured: null, live: {...this.live, ms: undefined}});
    this.draw();
    return '';
  }

  // Measurements of a run beside the plan; null for none. Returns false if they are of another plan.
  measure(measured) {
    const own = ['n_agents', 'batch_size', 'env', 'learner'];
    if (measured && own.some(name => measured.config[name] !== this.settings[name])) return false;
    if (!withMeasured(predict(this.data, this.settings), measured)) return false;
    if (measured || this.measured) {
      this.measured = measured;
      this.draw();
    }
    return true;
  }

  measureWidth() { this.W = Math.max(280, Math.floor(this.box.clientWidth)); }  // asked for in a draw, it would lay out the page

  draw() {
    const {W} = this;
    this.plan = withMeasured(predict(this.data, this.settings), this.measured);
    this.plan.ink = getComputedStyle(this.box).color;
    this.lay = layout(this.plan, W, this.look);
    this.scene = {plan: this.plan, lay: this.lay, marks: marksOf(this.plan, this.lay), mix: this.mix, ink: this.plan.ink};
    const {H} = this.lay, dense = Math.min(2, devicePixelRatio || 1);
    for (const [name, value] of [['viewBox', `0 0 ${W} ${H}`], ['width', String(W)], ['height', String(H)], ['aria-label', spoken(this.plan)]]) {
      if (this.svg.getAttribute(name) !== value) this.svg.setAttribute(name, value);  // set again, all texts would be laid out again
    }
    const parts = skeleton(this.lay, this.shown());
    redraw(this.svg, this.parts, parts);
    this.parts = parts;
    for (const canvas of [this.still, this.top]) {
      if (canvas.width === W * dense && canvas.height === H * dense) continue;
      Object.assign(canvas, {width: W * dense, height: H * dense});
      Object.assign(canvas.style, {width: `${W}px`, height: `${H}px`});
    }
    this.dense = dense;
    this.groups = Object.fromEntries(this.lay.rows.map(({stage}, i) => [stage.name, this.svg.children[i + 1]]));
    this.total = this.plan.stages.length;
    if (this.phase > this.total) this.phase = this.total;
    if (this.chosen && !this.fits(this.chosen)) this.follow(null, true);
    else if (this.chosen) this.on.followed(said(this.plan, this.chosen), true);
    this.touch();
    this.painted = '';
    this.paint();
    this.on.moved();
  }

  shown() {
    return {plan: this.plan, device: this.measured?.device ?? this.device, ms: this.live.ms ?? this.measured?.ms, kinds: this.data.kinds, marks: this.data.marks};
  }

  // What a run says many times a second: only attributes and texts change. event: live, ms, fill, held.
  hear(event) {
    Object.assign(this.live, event);
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; if (!this.gone) this.touch(); });
  }

  touch() {
    const {live = '', fill, held = '', capacity = this.plan.books?.capacity ?? this.plan.capacity} = this.live, shown = this.shown(), words = this.plan.texts.picture, most = Math.max(...Object.values(shown.ms ?? {}), 0);
    if (live) this.box.dataset.live = live; else delete this.box.dataset.live;
    const change = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
    for (const {stage} of this.lay.rows) {
      const g = this.groups[stage.name];
      g.classList.toggle('live', stage.name === live);
      change(g.querySelector('.omg-facts'), facts(stage, shown));
      g.querySelector('.omg-ms').setAttribute('width', most ? (MS_WIDE * (shown.ms[stage.name] ?? 0) / most).toFixed(1) : 0);
    }
    change(this.svg.querySelector('.omg-held'), held || tell(this.plan.rings > 1 ? words.each_ring : words.one_ring, {capacity}));
    const filled = fill ?? this.plan.books?.fill ?? [];
    for (const path of this.svg.querySelectorAll('[data-ring]')) {
      path.setAttribute('d', arc(this.lay.rings[path.dataset.ring], (filled[path.dataset.ring] ?? 0) / capacity));
    }
  }

  paint() {
    const moving = this.phase % 1 > 0, done = Math.floor(this.phase), now = moving ? done : null;
    this.scene.mix = this.mix;
    const key = `${done} ${moving} ${this.mix}`;
    if (key !== this.painted) paintStill(this.clear(this.still), this.scene, done);
    this.painted = key;
    const above = moving || this.chosen !== null;
    if (above || this.above) {
      const context = this.clear(this.top);
      if (moving) paintMoving(context, this.scene, now, this.phase - done);
      if (this.chosen) paintChosen(context, this.scene, chosenMarks(this.scene, this.chosen));
    }
    this.above = above;
    const at = this.phase < this.total ? this.stage()?.name : '';
    for (const [name, g] of Object.entries(this.groups)) g.classList.toggle('at', name === at);
  }

  clear(canvas) {
    const context = canvas.getContext('2d');
    context.setTransform(this.dense, 0, 0, this.dense, 0, 0);
    context.clearRect(0, 0, this.lay.W, this.lay.H);
    return context;
  }

  // --- the transport --------------------------------------------------------------------------------------------------

  // The stage that moves now, or the last one that has run; undefined before the first.
  stage() { return this.plan.stages[Math.ceil(this.phase) - 1]; }

  // Where the update stands: `phase` stages have run. No motion.
  go(phase) {
    this.goal = null;
    this.playing = false;
    this.phase = Math.min(this.total, Math.max(0, phase));
    this.paint();
    this.on.moved();
  }

  // One stage forward, moving unless the system asks for less motion; one stage back, at once.
  step(by) {
    if (by < 0) return this.go(Math.ceil(this.phase) - 1);
    const from = this.phase >= this.total ? 0 : this.phase, goal = Math.floor(from) + 1;
    if (this.reduced.matches || from % 1) return this.go(goal);
    Object.assign(this, {phase: from, goal, playing: false});
    return this.run();
  }

  play(on) {
    if (on && this.reduced.matches) return this.step(1);
    this.playing = on;
    this.goal = null;
    if (on && this.phase >= this.total) this.phase = 0;
    this.run();
    return this.on.moved();
  }

  sort(on) {
    this.wanted = on ? 1 : 0;
    if (this.reduced.matches) { this.mix = this.wanted; this.paint(); } else this.run();
  }

  busy() { return !this.gone && !this.hidden && (this.playing || this.goal !== null && this.goal !== undefined || this.mix !== this.wanted); }

  run() {
    if (this.ticking || !this.busy()) return;
    this.ticking = true;
    let last = null;  // on a busy page a frame's time can lie before the key that asked for it: count from frame to frame
    const tick = now => {
      this.ticking = this.busy();
      if (!this.ticking) return;
      this.advance(Math.min(0.1, (now - (last ?? now)) / 1000));
      last = now;
      this.paint();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  advance(seconds) {
    const toward = Math.sign(this.wanted - this.mix);
    if (toward) this.mix = toward > 0 ? Math.min(1, this.mix + 2 * seconds) : Math.max(0, this.mix - 2 * seconds);
    if (!this.playing && (this.goal ?? null) === null) return;
    if (this.phase >= this.total) {  // the finished picture rests, then the next update begins
      this.rest = (this.rest ?? 0) + seconds * this.speed;
      if (this.rest > 2) Object.assign(this, {rest: 0, phase: 0});
      return;
    }
    const before = Math.floor(this.phase), stage = this.plan.stages[before];
    const next = this.phase + seconds * this.speed / (SECONDS[stage.name] ?? SHORT);
    this.phase = Math.min(next, before + 1);
    if (this.goal !== null && this.phase >= this.goal) this.goal = null;
    if (Math.floor(this.phase) !== before || this.phase === next && this.phase % 1 < 0.05) this.on.moved();
  }

  // --- following ------------------------------------------------------------------------------------------------------

  fits({episode = 0, group = 0, slot = 0}) {
    return episode < episodesOf(this.plan) && group < this.plan.sizes.G && slot < this.plan.sizes.A;
  }

  follow(choice, pointed = false) {
    if (JSON.stringify(choice) === JSON.stringify(this.chosen)) return;
    this.chosen = choice;
    if (!choice) this.held = false;
    this.on.followed(choice ? said(this.plan, choice) : '', pointed);
    if (!this.ticking) this.paint();
  }

  // The next or previous episode.
  followNext(by) {
    const count = episodesOf(this.plan), at = this.chosen?.episode ?? (by > 0 ? -1 : 0);
    this.held = true;
    this.follow({episode: (at + by + count) % count});
  }

  point(event) {
    if (this.held && event.type === 'pointermove') return;
    const frame = this.svg.getBoundingClientRect();
    this.follow(under(this.scene, event.clientX - frame.left, event.clientY - frame.top), true);
  }
}

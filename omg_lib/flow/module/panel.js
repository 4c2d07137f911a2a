// The panel around the picture, in a page of its own or in a notebook with a kernel.
import {fill, predict, predicted, tell, whyText} from './contract.js';
import {search} from './follow.js';
import {offersHtml, panelHtml, progressHtml} from './controls.js';
import {Picture} from './picture.js';

export class Panel {
  // `kernel.send(message)` reaches Python; without a kernel the panel shows plans, and the run that `data` holds.
  constructor(root, data, kernel = null) {
    Object.assign(this, {data, kernel, id: Math.random().toString(36).slice(2), sent: 0, asked: {...data.settings}});
    root.innerHTML = panelHtml(data, kernel !== null);
    this.root = root.firstElementChild;
    for (const one of this.root.querySelectorAll('input, select, button, [tabindex]')) {
      one.dataset.lmSuppressShortcuts = 'true';  // JupyterLab takes the arrow keys otherwise
    }
    this.find = name => this.root.querySelector(`.omg-${name}`);
    this.picture = new Picture(this.find('flow'), data, {moved: () => this.moved(), followed: (words, pointed) => this.followed(words, pointed)});
    if (data.measured && !this.picture.measure(data.measured)) this.say(data.texts.status.other_plan);
    else if (!kernel) this.say(this.told());
    if (innerHeight <= 800 && innerWidth >= 900 && window === window.top) this.compact(true);
    this.root.addEventListener('input', event => { if (event.target.matches('[name][type=range], select[name]')) this.set(event.target); });
    this.root.addEventListener('change', event => this.changed(event.target));
    this.root.addEventListener('click', event => this.clicked(event.target));
    this.root.addEventListener('keydown', event => this.key(event));
    this.frame();
    this.moved();
  }

  destroy() {
    this.picture.destroy();
    this.root.remove();
  }

  say(words) {
    const status = this.find('status').firstElementChild;
    if (status.textContent !== words) status.textContent = words;
  }

  told() {
    const {measured, plan} = this.picture;
    return measured ? tell(this.data.texts.status.measured, measured) : predicted(plan);
  }

  predict(settings) { return predict(this.data, {...this.data.settings, ...settings}); }

  // --- the reader -----------------------------------------------------------------------------------------------------

  changed(input) {
    if (input.matches('[name][type=number]')) {
      if (input.value.trim()) return this.set(input);
      input.value = this.picture.settings[input.name];
      return this.say(tell(this.data.texts.status.missing, input));
    }
    if (input.matches('.omg-compact')) return this.compact(input.checked);
    if (input.matches('.omg-unfolded')) { this.picture.look.unfolded = input.checked; return this.picture.draw(); }
    if (input.matches('.omg-sorted')) return this.picture.sort(input.checked);
    if (input.matches('.omg-speed')) { this.picture.speed = Number(input.value); return null; }
    if (input.matches('.omg-at')) return this.picture.go(Number(input.value));
    if (input.matches('.omg-search')) return this.search(input.value);
    if (input.matches('.omg-listing')) return this.send({do: 'list', on: input.checked});
    return null;
  }

  // One setting: drawn at once, then told to the kernel, which has the last word.
  set(input) {
    const value = input.tagName === 'SELECT' ? input.value : Number(input.value), settings = {[input.name]: value};
    if (this.asked[input.name] === value) return;  // Enter, and then the change once the box is left
    this.asked[input.name] = value;
    if (input.name in this.data.ranges) this.pair(input.name, value, input);
    const why = input.name === 'seed' || input.name === 'device' && this.kernel ? '' : this.picture.set(settings);
    if (input.name === 'device' && !this.kernel) this.picture.device = value;
    if (!this.kernel) {
      if (input.name === 'device') this.picture.draw();
      this.say(why || this.told());
    }
    this.send({do: 'set', settings});
  }

  pair(name, value, source) {  // a box and a slider show one number; a slider cannot show what lies outside
    const [low, high] = this.data.ranges[name];
    for (const one of this.root.querySelectorAll(`[name=${name}]`)) {
      if (one !== source && (one.type === 'number' || value >= low && value <= high)) one.value = value;
      if (one.type === 'range') one.setAttribute('aria-valuetext', one.value);
    }
  }

  compact(on) {
    this.find('compact').checked = on;
    this.root.classList.toggle('omg-tight', on);
    this.picture.look.compact = on;
    this.picture.draw();
  }

  search(words) {
    if (!words.trim()) return this.picture.follow(null);
    const found = search(this.picture.plan, words);
    if (typeof found === 'string') return this.followed(found, false);
    this.picture.held = true;
    return this.picture.follow(found);
  }

  clicked(target) {
    const one = target.closest('button');
    if (!one) return;
    const does = {back: () => this.picture.step(-1), forward: () => this.picture.step(1), play: () => this.picture.play(!this.picture.playing)};
    for (const [name, action] of Object.entries(does)) if (one.matches(`.omg-${name}`)) action();
    for (const name of ['run', 'stop', 'reset']) if (one.matches(`.omg-${name}`)) this.send({do: name});
    if (one.matches('.omg-save')) this.send({do: 'save', folder: this.find('folder').value});
    if (one.dataset.name) this.send({do: 'set', settings: {[one.dataset.name]: Number(one.dataset.value)}});
  }

  key(event) {
    const inFlow = event.target === this.find('flow'), inSearch = event.target.matches('.omg-search');
    const inNumber = event.target.matches('[type=number]');  // JupyterLab keeps the change that Enter makes from the page
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = inFlow || event.target.matches('.omg-transport button');
    const does = {
      ' ': inFlow && (() => this.picture.play(!this.picture.playing)),
      ArrowRight: on && (() => this.picture.step(1)), ArrowLeft: on && (() => this.picture.step(-1)),
      ArrowDown: (inFlow || inSearch) && (() => this.picture.followNext(1)), ArrowUp: (inFlow || inSearch) && (() => this.picture.followNext(-1)),
      Home: inFlow && (() => this.picture.go(0)), End: inFlow && (() => this.picture.go(Infinity)),
      Escape: inFlow && (() => this.picture.follow(null)), Enter: (inSearch || inNumber) && (() => this.changed(event.target)),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  // --- what the picture tells -----------------------------------------------------------------------------------------

  moved() {
    const {picture, data: {texts: {transport}}} = this;
    if (!picture) return;  // it is being made
    const at = this.find('at'), stage = picture.stage()?.name ?? transport.before, play = this.find('play');
    const words = picture.phase >= picture.total ? transport.whole : stage;
    at.max = picture.total;
    at.value = Math.ceil(picture.phase);
    at.setAttribute('aria-valuetext', words);
    this.find('at-said').textContent = words;
    const {plan, phase, total} = picture, headline = fill(plan.words.headline, plan.sizes);
    this.find('why').textContent = phase > 0 && phase < total ? whyText(picture.stage(), plan) : headline;  // compact rows have no room for it
    const label = picture.playing ? transport.pause : transport.play;
    if (play.textContent !== label) play.textContent = label;
  }

  followed(words, pointed) {  // read out what the keyboard chose, not all that the pointer passes
    const line = this.find('followed');
    line.setAttribute('aria-live', pointed ? 'off' : 'polite');
    if (line.textContent !== words) line.textContent = words;
  }

  frame() {  // in a frame of its own it asks for the height that it needs; `scrollHeight` would never be less than it has
    if (window === window.top) return;
    const fit = () => { try { window.frameElement.style.height = `${Math.ceil(document.documentElement.getBoundingClientRect().height) + 4}px`; } catch { /* a sandbox: the frame scrolls */ } };
    new ResizeObserver(fit).observe(this.root);
  }

  // --- the kernel -----------------------------------------------------------------------------------------------------

  send(message) {
    if (!this.kernel) return;
    this.sent += 1;
    this.kernel.send({...message, from: this.id, seq: this.sent});
  }

  // What Python shows: settings, status, progress, offers, computes, buffer, seq (the last message that it has
  // answered, of each view: a panel can be shown in two cells).
  view(view) {
    const {controls} = this.data.texts;
    this.say(view.status);
    const parts = {progress: progressHtml(view.progress, controls.progress), offers: offersHtml(view.offers, controls.offer)};
    for (const [name, html] of Object.entries(parts)) if (this.find(name).innerHTML !== html) this.find(name).innerHTML = html;
    this.find('computes').textContent = tell(controls.computes, {device: view.computes, buffer: view.buffer});
    if (view.device !== this.picture.device) { this.picture.device = view.device; this.picture.touch(); }
    if ((view.seq[this.id] ?? 0) < this.sent) return;  // Python answers an older message: the reader has moved on
    const now = this.picture.settings, next = Object.entries(view.settings).filter(([name, value]) => now[name] !== value);
    for (const [name, value] of Object.entries(view.settings)) {
      if (value === this.asked[name]) continue;  // no news: leave a number that is being typed alone
      this.asked[name] = value;
      if (name in this.data.ranges) this.pair(name, value);
      else { const control = this.root.querySelector(`[name=${name}]`); if (control && control.value !== String(value)) control.value = value; }
    }
    if (next.length) this.picture.set(Object.fromEntries(next));
  }

  // What a run says many times a second. It is acknowledged once it is drawn: Python sends nothing to a hidden page.
  hear({progress, ack, ...event}) {
    if (progress) this.find('progress').innerHTML = progressHtml(progress, this.data.texts.controls.progress);
    this.picture.hear(event);
    if (ack) requestAnimationFrame(() => this.kernel.send({do: 'ack', ack}));
  }

  measured(measured) { this.picture.measure(measured); }

  curves({src, alt}) {
    if (src) this.find('curves').innerHTML = `<img width="900" height="250" decoding="sync" src="${src}">`;
    this.find('curves').firstElementChild?.setAttribute('alt', alt);
  }

  table(html) {
    this.find('table').hidden = !html;
    this.find('table').innerHTML = html;
  }

  lost() { this.say(this.data.texts.status.lost); delete this.picture.box.dataset.live; this.picture.hear({live: ''}); }
}

// Without Jupyter: mount(element, data) draws into an element of any page.
export const mount = (root, data, kernel = null) => new Panel(root, data, kernel);

// In Jupyter, through anywidget.
function render({model, el}) {
  const panel = mount(el, model.get('data'), {send: message => model.send(message)});
  const hears = {'msg:custom': event => panel.hear(event)};
  for (const name of ['view', 'measured', 'curves', 'table']) {
    const show = () => { const value = model.get(name); if (value !== null || name === 'measured') panel[name](value); };
    hears[`change:${name}`] = show;
    show();
  }
  for (const [name, hear] of Object.entries(hears)) model.on(name, hear);
  const gone = new MutationObserver(() => { if (el.closest('.jupyter-widgets-disconnected')) panel.lost(); });
  for (let one = el, up = 0; one && up < 3; one = one.parentElement, up += 1) gone.observe(one, {attributes: true, attributeFilter: ['class']});
  return () => {
    gone.disconnect();
    for (const [name, hear] of Object.entries(hears)) model.off(name, hear);
    panel.destroy();
  };
}
export default {render};

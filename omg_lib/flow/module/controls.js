// Native controls as HTML: labelled, in the tab order, with the classes that tests and style sheets use.
import {tell} from './contract.js';

const text = value => String(value).replace(/[&<>"]/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[c]);

function number(name, data) {  // the name is the setting's own: it is not translated
  const value = text(data.settings[name]), [low, high] = data.ranges[name];
  return `<div class="omg-${name.replace('_', '-')}"><label>${name} <input type="number" name="${name}" value="${value}"></label>` +
    `<input type="range" role="slider" aria-label="${text(tell(data.texts.controls.slider, {name}))}" name="${name}" min="${low}" max="${high}" value="${value}"></div>`;
}

function choice(name, options, data) {
  const words = data.texts.controls, said = one => name === 'runner' ? words[`${one}_runner`] ?? tell(words.other_runner, {R: one}) : one;
  const made = options.map(one => `<option value="${text(one)}"${one === data.settings[name] ? ' selected' : ''}>${text(said(one))}</option>`);
  return `<div class="omg-${name}"><label>${words[name]} <select name="${name}">${made.join('')}</select></label></div>`;
}

const button = (name, words, more = '') => `<button type="button" class="omg-${name}" ${more}>${words}</button>`;
const arrow = (name, sign, words) => button(name, sign, `aria-label="${text(words[name])}"`);
const tick = (name, words) => `<label><input type="checkbox" class="omg-${name}"> ${words}</label>`;

// `trains`: there is a kernel, which can run what is set here.
export function panelHtml(data, trains) {
  const {controls, transport} = data.texts;
  const kernel = `<div class="omg-row"><div class="omg-seed"><label>${controls.seed} <input type="number" name="seed" value="${text(data.settings.seed)}"></label></div>
    ${['run', 'stop', 'reset'].map(name => button(name, controls[name])).join('')}
    <label>${controls.folder} <input type="text" class="omg-folder" value="runs/flow"></label>${button('save', controls.save)}
    <span class="omg-computes"></span></div>
    <div class="omg-progress"></div>`;
  return `<div class="omg-panel">
    <div class="omg-row">${number('n_agents', data)}${number('batch_size', data)}
    ${choice('env', Object.keys(data.envs), data)}${choice('learner', Object.keys(data.learners), data)}
    ${choice('runner', Object.keys(data.runners), data)}${choice('device', data.devices, data)}</div>
    ${trains ? kernel : ''}
    <div class="omg-status"><div role="status" aria-live="polite"></div></div>
    ${trains ? '<div class="omg-offers omg-row"></div>' : ''}
    <div class="omg-transport omg-row" role="group" aria-label="${text(transport.transport)}">
      ${arrow('back', '◀', transport)}${button('play', transport.play)}${arrow('forward', '▶', transport)}
      <label>${transport.stage} <input type="range" class="omg-at" min="0" value="0"></label><span class="omg-at-said"></span>
      <label>${transport.speed} <select class="omg-speed"><option value="0.5">½</option><option value="1" selected>1</option><option value="2">2</option><option value="4">4</option></select></label>
      ${tick('sorted', transport.sort)}${tick('unfolded', transport.unfold)}${tick('compact', transport.compact)}
      <label>${transport.follow} <input type="search" class="omg-search" placeholder="${text(transport.example)}" size="15"></label>
    </div>
    <p class="omg-why"></p>
    <p class="omg-followed"></p>
    <div class="omg-flow" tabindex="0" role="group" aria-label="${text(transport.flow)}"></div>
    ${trains ? `<div class="omg-curves"></div>${tick('listing', controls.list)}
    <div class="omg-table" tabindex="0" role="region" aria-label="${text(controls.fields)}" hidden></div>` : ''}
  </div>`;
}

export function progressHtml([words, share], label) {
  const now = share === null ? '' : ` aria-valuenow="${Math.round(100 * share)}"`, wide = share === null ? 100 : 100 * share;
  return `<div role="progressbar" aria-label="${text(label)}" aria-valuemin="0" aria-valuemax="100"${now} aria-valuetext="${text(words)}">${text(words)}` +
    `<div class="omg-track"><div style="width:${wide.toFixed(1)}%"></div></div></div>`;
}

export const offersHtml = (offers, words) => Object.entries(offers).map(([name, value]) =>
  `<button type="button" data-name="${text(name)}" data-value="${text(value)}" title="${text(tell(words, {name, value}))}">${text(name)} ${text(value)}</button>`).join('');

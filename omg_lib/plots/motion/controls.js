// Native controls as HTML: labelled, in the tab order, with the classes that tests and style sheets use.

const text = value => String(value).replace(/[&<>"]/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[c]);
const LABELS = {env: 'environment', learner: 'learner', runner: 'runner', device: 'device'};
const RUNNERS = {episode: 'episode (R = 1)', parallel: 'parallel (R = n_agents)'};

function number(name, data) {
  const value = text(data.settings[name]), [low, high] = data.ranges[name];
  return `<div class="omg-${name.replace('_', '-')}"><label>${name} <input type="number" name="${name}" value="${value}"></label>` +
    `<input type="range" role="slider" aria-label="${name} slider" name="${name}" min="${low}" max="${high}" value="${value}"></div>`;
}

function choice(name, options, data) {
  const made = options.map(one => `<option value="${text(one)}"${one === data.settings[name] ? ' selected' : ''}>${text(name === 'runner' ? RUNNERS[one] ?? `R = ${one}` : one)}</option>`);
  return `<div class="omg-${name}"><label>${LABELS[name]} <select name="${name}">${made.join('')}</select></label></div>`;
}

const button = (name, words, more = '') => `<button type="button" class="omg-${name}" ${more}>${words}</button>`;

// `trains`: there is a kernel, which can run what is set here.
export function panelHtml(data, trains) {
  const kernel = `<div class="omg-row"><div class="omg-seed"><label>seed <input type="number" name="seed" value="${text(data.settings.seed)}"></label></div>
    ${button('run', 'Run')}${button('stop', 'Stop')}${button('reset', 'Reset')}
    <label>folder <input type="text" class="omg-folder" value="runs/flow"></label>${button('save', 'Save')}
    <span class="omg-computes"></span></div>
    <div class="omg-progress"></div>`;
  return `<div class="omg-panel">
    <div class="omg-row">${number('n_agents', data)}${number('batch_size', data)}
    ${choice('env', Object.keys(data.envs), data)}${choice('learner', Object.keys(data.learners), data)}
    ${choice('runner', Object.keys(data.runners), data)}${choice('device', data.devices, data)}</div>
    ${trains ? kernel : ''}
    <div class="omg-status"><div role="status" aria-live="polite"></div></div>
    ${trains ? '<div class="omg-offers omg-row"></div>' : ''}
    <div class="omg-transport omg-row" role="group" aria-label="one update, stage by stage">
      ${button('back', '◀', 'aria-label="step back"')}${button('play', 'Play')}${button('forward', '▶', 'aria-label="step forward"')}
      <label>stage <input type="range" class="omg-at" min="0" value="0"></label><span class="omg-at-said"></span>
      <label>speed <select class="omg-speed"><option value="0.5">½</option><option value="1" selected>1</option><option value="2">2</option><option value="4">4</option></select></label>
      <label><input type="checkbox" class="omg-sorted"> sort by seat</label>
      <label><input type="checkbox" class="omg-unfolded"> unfold time</label>
      <label><input type="checkbox" class="omg-compact"> compact</label>
      <label>follow <input type="search" class="omg-search" placeholder="group 3 slot 5" size="15"></label>
    </div>
    <p class="omg-why"></p>
    <p class="omg-followed"></p>
    <div class="omg-flow" tabindex="0" role="group" aria-label="the flow: Space plays, left and right step, up and down follow an episode"></div>
    ${trains ? `<div class="omg-curves"></div><label><input type="checkbox" class="omg-listing"> list every field of every stage</label>
    <div class="omg-table" tabindex="0" role="region" aria-label="fields" hidden></div>` : ''}
  </div>`;
}

export function progressHtml([words, share]) {
  const now = share === null ? '' : ` aria-valuenow="${Math.round(100 * share)}"`, wide = share === null ? 100 : 100 * share;
  return `<div role="progressbar" aria-label="progress" aria-valuemin="0" aria-valuemax="100"${now} aria-valuetext="${text(words)}">${text(words)}` +
    `<div class="omg-track"><div style="width:${wide.toFixed(1)}%"></div></div></div>`;
}

export const offersHtml = offers => Object.entries(offers).map(([name, value]) =>
  `<button type="button" data-name="${text(name)}" data-value="${text(value)}" title="set ${text(name)} to ${text(value)}">${text(name)} ${text(value)}</button>`).join('');

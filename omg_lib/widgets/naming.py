"""Fixes for screen readers and the keyboard that ipywidgets lacks, applied where a panel is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping

import ipywidgets as W

from omg_lib.words import _

# Sliders and groups of radio buttons have no accessible name. An HTML widget replaces a live region together with its
# text. An empty number box silently returns to its last value. JupyterLab uses the arrow keys of drop-down lists and
# radio buttons to move to the next cell. A click beside a slider's handle moves the handle but leaves the focus on the
# cell, so the arrow keys do nothing. The script runs where the panel is shown, as its parts arrive, and fixes all this.
SCRIPT = """
(function fix(tries) {
  const panel = element.closest('.' + PANEL);
  if (!panel) { if (tries) setTimeout(() => fix(tries - 1), 100); return; }
  const name = () => {
    for (const [part, words] of Object.entries(NAMES)) {
      const handle = panel.querySelector(part);
      if (!handle) continue;
      handle.setAttribute('aria-label', words);
      if (!handle.hasAttribute('role')) handle.setAttribute('role', 'group');
    }
    for (const one of panel.querySelectorAll('select, [type=radio]')) one.dataset.lmSuppressShortcuts = 'true';
    const status = panel.querySelector(STATUS + ' .widget-html-content');
    if (status) status.setAttribute('aria-live', 'polite');
  };
  panel.addEventListener('change', event => {
    const box = event.target, said = panel.querySelector(STATUS + ' [role=status]');
    if (box.type !== 'number' || box.value.trim() || !said) return;
    const label = box.closest('.widget-inline-hbox').querySelector('label').textContent;
    said.textContent = MISSING.replace("{label}", label);
  }, true);
  panel.addEventListener('click', event => {
    event.target.closest('.noUi-target')?.querySelector('[role=slider]')?.focus();
  }, true);
  new MutationObserver(name).observe(panel, {childList: true, subtree: true});
  name();
})(100);
"""


def naming(panel: str, status: str, names: Mapping[str, str]) -> W.Output:
    """Return an invisible part for the panel with this class. It sets accessible names (`names`: CSS selector -> name),
    and makes the part with class `status` a live region. It takes no space.
    """
    script, missing = SCRIPT, _("{label}: a number is missing, the last one is kept")
    for word, value in (("PANEL", panel), ("STATUS", "." + status), ("NAMES", dict(names)), ("MISSING", missing)):
        script = script.replace(word, json.dumps(value))
    shown = {"data": {"application/javascript": script}, "metadata": {}, "output_type": "display_data"}
    return W.Output(outputs=(shown,), layout={"height": "0", "overflow": "hidden"})

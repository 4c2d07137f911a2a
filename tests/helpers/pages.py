"""What tests wait for in a page of JupyterLab: events, never seconds."""

READY = """() => {
  const session = window.jupyterapp?.shell?.currentWidget?.context?.sessionContext;
  const kernel = session?.session?.kernel;
  return !!(session?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle');
}"""
OPEN = "async path => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }"
"""Opens a file; returns nothing, as it takes seconds to hand a whole widget over to Python."""
CLOSE = """async () => {
  const {serviceManager, shell} = window.jupyterapp;
  for (const one of [...shell.widgets('main')]) {
    const kernel = one.context?.sessionContext?.session;
    if (kernel) await serviceManager.sessions.shutdown(kernel.id);
    one.dispose();
  }
  shell.expandLeft();
  return !document.querySelector('.jp-Dialog');
}"""
"""Ends the kernels of the notebooks in a page, and closes them without asking whether to save. Returns whether the page
can be used again: no dialog is open.
"""
SETTLED = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  for (let k = 0; k < 2; k++) {
    await kernel.requestKernelInfo();
    await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  }
}"""
"""Ends when the kernel has answered all that the page has asked so far, and the page has drawn the answers."""
COUNT = """() => {
  window.pictures = 0;
  const count = () => window.pictures += 1;
  const svg = document.querySelector('.omg-flow svg');
  new MutationObserver(count).observe(svg, {attributes: true, attributeFilter: ['aria-label']});
}"""
"""Counts in `window.pictures` how often the flow panel draws its picture from now on."""
LISTEN = """() => {
  const status = document.querySelector('.omg-status');
  window.said = [];
  const hear = () => {
    const text = status.querySelector('[role=status]')?.textContent;
    if (text && text !== window.said.at(-1)) window.said.push(text);
  };
  new MutationObserver(hear).observe(status, {childList: true, subtree: true, characterData: true});
}"""
"""Collects in `window.said` what the flow panel's status says from now on."""
UPDATE = "least => Number(/Update (\\d+)/.exec(document.querySelector('.omg-progress').textContent)?.[1]) >= least"
"""Whether the flow panel's progress has come to this update."""

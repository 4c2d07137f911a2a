"""The flow of tensors as a page that moves: `handover` gives the contract as JSON, the ES module here draws it.

Python stays the only place that knows the contract. The module puts numbers in, draws, and moves; it has no build step,
asks no host for anything, and is the same in JupyterLab (`omg_lib.widgets.FlowPanel`) and in a file (`flow_page`).
"""

from omg_lib.plots.motion.handover import handover, measured_of
from omg_lib.plots.motion.page import css, flow_frame, flow_page, module, save_page
from omg_lib.plots.motion.regrouped import regrouping_frame

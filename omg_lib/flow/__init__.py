"""The flow of tensors as a page that moves: `handover` gives the contract as JSON, the ES module here draws it.

Python stays the only place that knows the contract. The module puts numbers in, draws, and moves; it has no build step,
asks no host for anything, and is the same in JupyterLab (`omg_lib.widgets.FlowPanel`) and in a file (`flow_page`).
"""

from omg_lib.flow.handover import handover, measured_of
from omg_lib.flow.page import css, flow_frame, flow_page, module, save_page
from omg_lib.flow.reasons import fields_table
from omg_lib.flow.regrouped import regrouping_frame
from omg_lib.flow.svg import flow_svg

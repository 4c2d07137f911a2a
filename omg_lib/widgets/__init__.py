"""Panels for notebooks: a plain model under test and a thin view. The only room that knows Jupyter."""

from omg_lib.widgets.flow_model import FlowModel
from omg_lib.widgets.flow_panel import FlowPanel

__all__ = ["FlowModel", "FlowPanel"]

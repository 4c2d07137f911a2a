"""Pictures and tables of a run, usable without Jupyter: the flow of tensors, learning curves, shapes, seats."""

from omg_lib.plots.curves import curves_figure, curves_png, curves_text
from omg_lib.plots.flow import flow_svg
from omg_lib.plots.tables import label_seats, label_table, shape_table
from omg_lib.plots.words import fields_table

"""The flow of tensors through one update, as text: `flow_svg` draws it, `fields_table` lists every field.

One row per stage. The chart in its middle is drawn to scale: one column per episode (or group), one line per seat, and
full colour where the learner's own data is. With teammates a sample is a wide staircase, because an episode holds one
learner's seat; regrouping pushes it together to a narrow full block of the same area.

Every number comes from the traces that `predict` and `Training` make. No Jupyter is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from omg_lib.predict import Difference
from omg_lib.trace import Field, ShapeTrace, Stage, trace_sentence

WIDTH = 900
"""Width of the picture in its own units; on a page it shrinks with its frame."""
STAGE_X, NUMBER_X, CHART_X, CHIPS_X, RUN_X = 10, 232, 246, 462, 716
CHART_WIDTH, LINE = 196, 34
KINDS = {
    "episodes": ("#dd7011", "M0 6L6 0", "E", "episodes"),
    "groups": ("#d6418a", "M0 0L6 6M0 6L6 0", "G", "groups"),
    "time": ("#3b82d6", "M3 0V6", "T", "time"),
    "agents": ("#1f9a68", "M0 3H6", "A", "agents"),
    "features": ("#9166d6", "M2 2h2v2h-2z", "F", "features"),
    "horizon": ("#8a8a2a", "M0 0L6 6", "H", "horizon"),
}
"""What an axis counts -> colour, hatch, letter, word. The colours have a contrast of 3 on white and on black."""
EQUAL, DIFFERENT = "#1f9a68", "#e0484d"

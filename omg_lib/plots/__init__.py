"""Pictures and tables, usable without Jupyter: learning curves, shapes, seats, buffers, results."""

from omg_lib.plots.buffers import mask_svg, memory_svg, ring_table
from omg_lib.plots.capacity import capacity_svg, recorded_speeds
from omg_lib.plots.curves import curves_figure, curves_png, curves_text
from omg_lib.plots.episodes import clock_table, step_table
from omg_lib.plots.gridworld import gridworld_figure, gridworld_svg
from omg_lib.plots.growth import growth_figure, growth_table, growth_text
from omg_lib.plots.museum import museum_svg
from omg_lib.plots.recorded import recorded_gpu
from omg_lib.plots.results import bars_figure, cross_play_figure, learning_figure
from omg_lib.plots.seats import cost_figure, cost_svg, seats_svg
from omg_lib.plots.stages import stage_svg
from omg_lib.plots.subgoals import choice_figure, subgoal_figure, subgoal_svg
from omg_lib.plots.sweeps import sweep_figure
from omg_lib.plots.tables import label_seats, label_table, shape_table
from omg_lib.plots.targets import target_svg

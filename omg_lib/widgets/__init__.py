"""Panels for notebooks: each is a plain, tested model and a thin view. The only package that knows Jupyter."""

from omg_lib.widgets.capacity_model import CapacityModel
from omg_lib.widgets.capacity_panel import CapacityPanel
from omg_lib.widgets.clocks_model import ClocksModel
from omg_lib.widgets.clocks_panel import ClocksPanel
from omg_lib.widgets.experiment_panel import ExperimentPanel
from omg_lib.widgets.flow_model import FlowModel
from omg_lib.widgets.flow_panel import FlowPanel
from omg_lib.widgets.iteration_model import IterationModel
from omg_lib.widgets.iteration_panel import IterationPanel
from omg_lib.widgets.memory_model import MemoryModel
from omg_lib.widgets.memory_panel import MemoryMeter
from omg_lib.widgets.replay_model import LatentModel, ReplayModel, Scene, scene
from omg_lib.widgets.seat_model import SeatModel
from omg_lib.widgets.seat_panel import SeatPuzzle
from omg_lib.widgets.stage_panel import StagePanel
from omg_lib.widgets.step_panel import LatentPanel, ReplayPanel
from omg_lib.widgets.target_model import TargetModel
from omg_lib.widgets.target_panel import TargetPanel

__all__ = [
    "CapacityModel",
    "CapacityPanel",
    "ClocksModel",
    "ClocksPanel",
    "ExperimentPanel",
    "FlowModel",
    "FlowPanel",
    "IterationModel",
    "IterationPanel",
    "LatentModel",
    "LatentPanel",
    "MemoryMeter",
    "MemoryModel",
    "ReplayModel",
    "ReplayPanel",
    "Scene",
    "SeatModel",
    "SeatPuzzle",
    "StagePanel",
    "TargetModel",
    "TargetPanel",
    "scene",
]

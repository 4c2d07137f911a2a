"""OMG Lab: what shape is this tensor here, and why? Runner, buffer, OMG learner and training loop, with every shape
predicted from the configuration and measured in the real run.

Reading order: config, trace, envs, episodes, networks, opponents, subgoals, pools, coplayers, controller, runner,
buffer, regroup, learners, training, predict; then, around fixed teammates, priors, teammates, evaluate, measures.
"""

from omg_lib import early
from omg_lib.checkpoint import load
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.doctor import check_setup
from omg_lib.envs import EnvInfo, make_env
from omg_lib.episodes import EpisodeBatch
from omg_lib.predict import Difference, compare, predict
from omg_lib.regroup import regroup
from omg_lib.trace import ShapeTrace
from omg_lib.training import Report, Training, run_sequential

__version__ = "0.1.0"

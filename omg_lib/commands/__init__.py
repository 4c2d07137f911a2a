"""The commands of `python -m omg_lib`, a module each: `add_options(parser)` and `run(args)`, its exit code.

A module loads when its command is asked for, so that `doctor` runs where everything else is missing.
"""

COMMANDS = {
    "lab": "open the course in JupyterLab; `omg-lab` alone does the same",
    "shapes": "predict every shape of one update",
    "train": "train; with --out into a folder that can be resumed",
    "compile": "compile the battle of skirmish, once, to play it several times faster",
    "doctor": "show what this machine has, and what is missing",
    "teammates": "train a pool of fixed teammates",
    "pretrain": "pre-train a subgoal prior on states that a pool visits",
    "evaluate": "play saved runs with teammates, seen and unseen",
    "sweep": "train at many sizes, on a Ray cluster or this machine",
}
"""Name of a command, and of its module -> what it does."""

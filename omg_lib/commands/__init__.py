"""The commands of `python -m omg_lib`, one module each, with `add_options(parser)` and `run(args)`, which returns the
exit code.

A module loads only when its command is called, so `doctor` runs even if everything else is missing.
"""

from omg_lib.words import N_

COMMANDS = {
    "lab": N_("open the course in JupyterLab; `omg-lab` alone does the same"),
    "shapes": N_("predict every shape of one update"),
    "train": N_("train; with --out into a folder that can be resumed"),
    "compile": N_("compile the battle of skirmish, once, to play it several times faster"),
    "doctor": N_("show what this machine has, and what is missing"),
    "teammates": N_("train a pool of fixed teammates"),
    "pretrain": N_("pre-train a subgoal prior on states that a pool visits"),
    "evaluate": N_("play saved runs with teammates, seen and unseen"),
    "sweep": N_("train at many sizes, on a Ray cluster or this machine"),
}
"""Name of a command and of its module -> what it does."""

"""Right answers to questions of the notebooks: computed here, because no cell that asks may give its answer away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from tensordict import TensorDictBase
from torch import Tensor

from omg_lib.checks import Verdict, check_choice, check_values, four_numbers
from omg_lib.config import OMGConfig
from omg_lib.lessons.clocks import Tick
from omg_lib.lessons.known_errors import TARGET, explained
from omg_lib.lessons.regroup_answers import found_by
from omg_lib.lessons.td_target import Targets, cut_off
from omg_lib.predict import predict
from omg_lib.words import N_, _

AXES = {
    "seen": "R A O",
    "stored": "n+1 A O",
    "rows": "rows 64",
    "taken": "G T-1 A",
    "extra step": "P C",
    "means": "states Z",
}
"""The axes of tensors that no plan names: what all seats see, obs of a stored episode, the network's first rows, Q of
the actions played, Q of the extra step with the goal of t, embeddings of states.
"""


def check_faster(guess: object, config: OMGConfig) -> Verdict:
    """Notebook 1: which of three settings makes the runner step more at once, while the learner sees the same?"""
    larger = {"n_agents": 2 * config.n_agents, "batch_size": 2 * config.batch_size, "batch_size_run": config.n_agents}
    numbers = {name: four_numbers(replace(config, **{name: size})) for name, size in larger.items()}
    run, *rest = four_numbers(config)
    right = next(name for name, (wider, *same) in numbers.items() if wider > run and same == rest)
    return check_choice(
        guess,
        right,
        {name: _("{size} gives {numbers}").format(size=larger[name], numbers=numbers[name]) for name in larger},
    )


def check_rows(guess: object, episode: TensorDictBase) -> Verdict:
    """Notebook 2: how many rows of an episode are filled, and how many transitions are real?"""
    filled = episode["filled"]
    return check_values(guess, {N_("filled rows"): int(filled.sum()), N_("transitions"): int(filled[:, 1:].sum())})


def check_cheaper(guess: object, ticks: Sequence[Tick]) -> Verdict:
    """Notebook 2: which of the two clocks gains from the narrowest runner to the widest?"""
    one, *__, many = [tick for tick in ticks if tick.device == "cpu"]
    clocks = {name: (getattr(one, name), getattr(many, name)) for name in ("lockstep", "step")}
    facts = {
        name: _("{before:.2f} ms, then {then:.2f} ms").format(before=1000 * before, then=1000 * then)
        for name, (before, then) in clocks.items()
    }
    return check_choice(guess, min(clocks, key=lambda name: clocks[name][1] / clocks[name][0]), facts)


def check_place(guess: object, sample: TensorDictBase, row: int) -> Verdict:
    """Notebook 4: into which group and slot does a row of a sample go?"""
    seats = sample["seat"][:, 0, 0]
    return check_values(
        guess, {N_("the group"): int((seats[:row] == seats[row]).sum()), N_("the slot"): int(seats[row])}
    )


def check_finder(guess: object) -> Verdict:
    """Notebook 4: which check finds every answer of the puzzle that you cannot trust?"""
    found, wrong = found_by()
    facts = {name: _("finds {found} of {wrong}").format(found=count, wrong=wrong) for name, count in found.items()}
    return check_choice(guess, max(found, key=found.get), facts)


def check_network_rows(guess: object, config: OMGConfig) -> Verdict:
    """Notebook 7: what is `init_hidden` called with, how many rows does the network step, how many numbers is that?"""
    groups, slots, width = predict(config)["controller.init_hidden"].fields["hidden"].shape
    return check_values(
        guess, {N_("called with"): groups, N_("rows"): groups * slots, N_("numbers"): groups * slots * width}
    )


def check_targets(guess: object, online: Float[Tensor, " C"], target: Float[Tensor, " C"]) -> Verdict:
    """Notebook 7: targets of double Q for a reward of 1 and gamma 0.5: all actions available, without the second, at
    the end of the game.
    """
    values = {}
    for name, missing in {N_("all available"): [], N_("without the second"): [1]}.items():
        best = online.index_fill(0, torch.tensor(missing, dtype=torch.long), -torch.inf).argmax()
        values[name] = int(1 + 0.5 * target[best])
    return explained(check_values(guess, values | {N_("ended"): 1}), TARGET)


def check_limit(guess: object, targets: Targets) -> Verdict:
    """Notebook 7: what is the last target made of if the time limit cut the battle off?"""
    found, rows = cut_off(targets)
    facts = {name: _("true of {count} of {rows} rows").format(count=count, rows=rows) for name, count in found.items()}
    return check_choice(guess, max(found, key=found.get), facts)


def steps_a_second(steps_a_day: int) -> dict[str, int]:
    """Notebook 10: convert steps a day to steps per second, rounded.

    >>> steps_a_second(86_400)
    {'steps a second': 1}
    """
    return {N_("steps a second"): round(steps_a_day / (24 * 60 * 60))}


def swept_again(trials: Sequence[object], ended: int) -> dict[str, int]:
    """Notebook 10: count the trials of a sweep, and those left to run after `ended` have ended.

    >>> swept_again(range(5), 2)
    {'trials': 5, 'run again': 3}
    """
    return {N_("trials"): len(trials), N_("run again"): len(trials) - ended}

"""Answers to "how does [G*A, T, A, F] become [G, T, A, F]?": some right, some wrong although the shape is right.

An answer works on any field: on labels, which show whose data ended up where, and on the data of a training run, which
show what a wrong answer costs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Int
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from omg_lib.checks import Verdict
from omg_lib.regroup import last_actions, rows_of_seats
from omg_lib.words import N_, _, listing


@dataclass(frozen=True)
class Answer:
    """One answer: its key, its description, its code, and the same code as a function of x and seat.

    In the code x is [G*A, T, A, F] and seat is [G*A, T, 1]; A, G and a = arange(A) are known, and
    rows[g, a] is the number of the g-th row whose seat is a.
    """

    key: int
    words: str
    code: str
    apply: Callable[[Tensor, Tensor], Tensor]

    def __str__(self) -> str:
        return _(self.words)


def _cut(x: Tensor) -> tuple[Tensor, Tensor]:
    """x cut into blocks of A rows, [G, A, T, A, F], and a = arange(A)."""
    rows, steps, agents, width = x.shape
    return x.reshape(rows // agents, agents, steps, agents, width), torch.arange(agents, device=x.device)


def _first_episode(x: Tensor, seat: Tensor) -> Tensor:
    return _cut(x)[0][:, 0]


def _first_seat(x: Tensor, seat: Tensor) -> Tensor:
    return _cut(x)[0][:, :, :, 0].transpose(1, 2)


def _diagonal(x: Tensor, seat: Tensor) -> Tensor:
    cut, a = _cut(x)
    return rearrange(cut[:, a, :, a], "a g t f -> g t a f")


def _other_blocks(x: Tensor, seat: Tensor) -> Tensor:
    rows, steps, agents, width = x.shape
    cut, a = x.reshape(agents, rows // agents, steps, agents, width), torch.arange(agents, device=x.device)
    return rearrange(cut[a, :, :, a], "a g t f -> g t a f")


def _reshaped(x: Tensor, seat: Tensor) -> Tensor:
    cut, a = _cut(x)
    groups, agents, steps, __, width = cut.shape
    return cut[:, a, :, a].reshape(groups, steps, agents, width)


def _long(x: Tensor, seat: Tensor) -> Tensor:
    rows, steps, agents, width = x.shape
    return x.reshape(rows // agents, agents * steps, agents, width)


def _by_seat(x: Tensor, seat: Tensor) -> Tensor:
    rows, a = rows_of_seats(seat, x.shape[2]), torch.arange(x.shape[2], device=x.device)
    return rearrange(x[rows, :, a], "g a t f -> g t a f")


ANSWERS = {
    answer.key: answer
    for answer in (
        Answer(1, N_("the first episode of each block, with all its seats"),
               "x.reshape(G, A, T, A, F)[:, 0]", _first_episode),
        Answer(2, N_("the blocks one after the other along the time axis"),
               "x.reshape(G, A * T, A, F)", _long),
        Answer(3, N_("seat 0 of every episode"),
               "x.reshape(G, A, T, A, F)[:, :, :, 0].transpose(1, 2)", _first_seat),
        Answer(4, N_("A blocks of G rows; from episode a, seat a"),
               'rearrange(x.reshape(A, G, T, A, F)[a, :, :, a], "a g t f -> g t a f")', _other_blocks),
        Answer(5, N_("G blocks of A rows; from episode a, seat a"),
               'rearrange(x.reshape(G, A, T, A, F)[:, a, :, a], "a g t f -> g t a f")', _diagonal),
        Answer(6, N_("like 5, but reshaped at the end"),
               "x.reshape(G, A, T, A, F)[:, a, :, a].reshape(G, T, A, F)", _reshaped),
        Answer(7, N_("the rows sorted by seat; from each row, its own seat"),
               'rearrange(x[rows, :, a], "g a t f -> g t a f")', _by_seat),
    )
}  # fmt: skip
"""Key -> answer. `omg.regroup` does 7; 5 is just as good while the rows cycle through the seats in order."""


def regroup_as(key: int, sample: TensorDictBase) -> TensorDict:
    """Regroup a whole sample with one of the ANSWERS, and add `last_actions` like `omg.regroup`.

    A field without an agent axis is first repeated for every seat, and then treated like the others. ValueError for an
    answer that is unknown, or whose shape a learner cannot read.
    """
    if key not in ANSWERS or key == 2:
        readable = listing(str(name) for name in ANSWERS if name != 2)
        raise ValueError(
            _("answer={key!r}: a learner can read only the answers {readable}").format(key=key, readable=readable)
        )
    agents, seat = sample["obs"].shape[2], sample["seat"]

    def move(x: Tensor) -> Tensor:
        x = x if x.ndim == 4 else repeat(x, "e t f -> e t a f", a=agents)
        return ANSWERS[key].apply(x, seat)

    out = {name: move(x) for name, x in sample.items() if name != "seat"}
    if "actions" in sample.keys():
        out["last_actions"] = last_actions(move(sample["actions"][..., 0].long()))
    return TensorDict(out, batch_size=list(next(iter(out.values())).shape[:2]))


# --- whose data is where ---------------------------------------------------------------------------------------------


def labelled(groups: int, agents: int, steps: int, shuffled: bool = False, seed: int = 0) -> TensorDict:
    """Make a sample of labels: obs int64 [G*A, T, A, 3] is (episode, time, agent), seat [G*A, T, 1] the learner's seat.

    Rows cycle through the seats, as `ReplayBuffer.sample` draws them, or are shuffled; episode e is row e.
    """
    episodes = groups * agents
    where = torch.meshgrid(torch.arange(episodes), torch.arange(steps), torch.arange(agents), indexing="ij")
    seats = torch.arange(episodes) % agents
    if shuffled:
        seats = seats[torch.randperm(episodes, generator=torch.Generator().manual_seed(seed))]
    seat = repeat(seats, "e -> e t 1", t=steps)
    return TensorDict({"obs": torch.stack(where, dim=-1), "seat": seat}, batch_size=[episodes, steps])


MOVED = {
    "right": N_("the learner's own data, in its place"),
    "slot": N_("a learner's own data, in another seat's slot"),
    "time": N_("from another time step"),
    "teammate": N_("what a teammate saw"),
}
"""What can happen to an element of the result."""


def moved(result: Int[Tensor, "G T A 3"], seat: Int[Tensor, "E T 1"]) -> list[list[list[str]]]:
    """Return for each element [g][t][a] of regrouped labels whether it is right, or what is wrong (see MOVED)."""
    learner = seat[:, 0, 0].tolist()

    def judge(label: list[int], t: int, a: int) -> str:
        episode, time, agent = label
        if agent != learner[episode]:
            return "teammate"
        return "time" if time != t else "slot" if agent != a else "right"

    return [
        [[judge(label, t, a) for a, label in enumerate(row)] for t, row in enumerate(group)]
        for group in result.tolist()
    ]


def check_regrouping(function: object, groups: int = 3, agents: int = 4, steps: int = 5) -> Verdict:
    """Let a function of (x, seat) regroup labels, in order and shuffled, and show what it did to the seats.

    >>> check_regrouping(lambda x, seat: x)
    Not yet: the shape is [12, 5, 4, 3], but should be [3, 5, 4, 3].
      - axis 0 (G): it is 12, but should be 3
    >>> check_regrouping(ANSWERS[7].apply)
    Right: every slot holds the learner's own data, also when the rows are shuffled.
    """
    if function is ... or function is None:
        return Verdict("open", _("Not answered yet: replace the dots with your code, and run this cell again."))
    for shuffled in (False, True):
        sample = labelled(groups, agents, steps, shuffled)
        try:
            result = function(sample["obs"].clone(), sample["seat"].clone())
        except Exception as error:  # whatever a student's code raises is shown, not thrown
            said = _("Not yet: it stops with {name}: {error}").format(name=type(error).__name__, error=error)
            return Verdict("wrong", said, guess=_source(function))
        if result is ...:
            return Verdict("open", _("Not answered yet: replace the dots with your code, and run this cell again."))
        verdict = judge(result, sample)
        if not verdict.ok:
            more = (_("the rows were shuffled; with rows in order it is right"),) if shuffled else ()
            lines = verdict.axes + more
            hints = (lines, *((*lines, *hint) for hint in verdict.hints))
            return Verdict(verdict.state, verdict.said, lines, hints, _source(function))
    said = _("Right: every slot holds the learner's own data, also when the rows are shuffled.")
    return Verdict("right", said, guess=_source(function))


def _source(function: object) -> str:
    """Return the source of a function: the student's answer."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return getattr(function, "__name__", repr(function))


def judge(result: object, sample: TensorDictBase) -> Verdict:
    """Judge a regrouped sample of labels: its shape, its seats, and how many episodes it uses."""
    episodes, steps, agents, width = sample["obs"].shape
    wanted = [episodes // agents, steps, agents, width]
    if not isinstance(result, Tensor):
        return Verdict(
            "wrong",
            _("Not yet: the result is a {name}, but should be a tensor {wanted}.").format(
                name=type(result).__name__, wanted=wanted
            ),
        )
    if list(result.shape) != wanted:
        lines = [
            _("axis {i} ({name}): it is {size}, but should be {right}").format(i=i, name=name, size=size, right=right)
            for i, (name, size, right) in enumerate(zip("GTAF", result.shape, wanted, strict=False))
            if size != right
        ]
        said = _("Not yet: the shape is {shape}, but should be {wanted}.").format(
            shape=list(result.shape), wanted=wanted
        )
        return Verdict("wrong", said, tuple(lines) if result.ndim == len(wanted) else ())
    if not torch.isin(result, sample["obs"]).all():
        return Verdict("wrong", _("Not yet: it holds numbers that are not labels, so elements were mixed, not moved."))
    result = result.long()
    count = tally(result, sample)
    places, used = episodes * steps, count.pop("episodes used")
    if count["right"] == places and used == episodes:
        return Verdict(
            "right", _("Right: {places} of {places} places hold the learner's own data.").format(places=places)
        )
    lines = [
        _("{count} places: {words}").format(count=count[kind], words=_(MOVED[kind]))
        for kind in MOVED
        if kind != "right" and count[kind]
    ]
    lines.append(_("{used} of {episodes} episodes are used").format(used=used, episodes=episodes))
    said = _("The shape is right, the content is not: {right} of {places} places hold what they should.").format(
        right=count["right"], places=places
    )
    place, way = _first_wrong(result, sample["seat"]), _("`seat[:, 0, 0].argsort(stable=True)` sorts the rows by seat")
    return Verdict("wrong", said, tuple(lines), ((place,), (place, way)))


def _first_wrong(result: Int[Tensor, "G T A 3"], seat: Int[Tensor, "E T 1"]) -> str:
    """Describe the first wrong place, and the learner's seat in that episode."""
    for g, group in enumerate(moved(result, seat)):
        for t, row in enumerate(group):
            for a, kind in enumerate(row):
                if kind != "right":
                    episode, time, agent = result[g, t, a].tolist()
                    told = _("group {g}, time {t}, slot {a} holds episode {episode}, time {time}, seat {agent}").format(
                        g=g, t=t, a=a, episode=episode, time=time, agent=agent
                    )
                    return _("{told}; in that episode the learner sat in seat {seat}").format(
                        told=told, seat=int(seat[episode, 0, 0])
                    )
    return _("every place holds a learner's own data, but some episodes are not used")


def tally(result: Int[Tensor, "G T A 3"], sample: TensorDictBase) -> dict[str, int]:
    """Count the right places, the wrong ones by kind (see MOVED), and the episodes used."""
    kinds = [kind for group in moved(result, sample["seat"]) for row in group for kind in row]
    return {kind: kinds.count(kind) for kind in MOVED} | {"episodes used": len(result[..., 0].unique())}


def found_by(groups: int = 3, agents: int = 4, steps: int = 5) -> tuple[dict[str, int], int]:
    """Return how many of the answers that a learner must not use each of three checks finds, and how many there are."""
    ordered, shuffled = (labelled(groups, agents, steps, shuffled) for shuffled in (False, True))
    results = {key: answer.apply(ordered["obs"], ordered["seat"]) for key, answer in ANSWERS.items()}
    again = {key: answer.apply(shuffled["obs"], shuffled["seat"]) for key, answer in ANSWERS.items()}
    wrong = [key for key, result in again.items() if not judge(result, shuffled).ok]
    found = {
        "shape": [key for key in wrong if results[key].shape != results[7].shape],
        "labels": [key for key in wrong if not judge(results[key], ordered).ok],
        "shuffled labels": wrong,
    }
    return {name: len(keys) for name, keys in found.items()}, len(wrong)

"""Three learners of strangers, each with one wrong line: to be followed, found and repaired."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from omg_lib.checks import Verdict, check_choice, check_values
from omg_lib.lessons.strangers import actor, memory, team
from omg_lib.provenance import PRESETS, Found, follow, inputs_of, small_batch
from omg_lib.words import _


class Net(nn.Module):
    """Values of whole sequences, [..., T, O] to [..., T, C]; `read` gives what the last layer sees."""

    def __init__(self, inputs: int, actions: int, recurrent: bool) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, 8)
        self.rnn = nn.GRU(8, 8, batch_first=True) if recurrent else None
        self.last = nn.Linear(8, actions)

    def read(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        return x if self.rnn is None else self.rnn(x)[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.read(x))


@dataclass(frozen=True)
class Stranger:
    """`wrong` and `right` are the line as it was written, and one that repairs it; `policy` is what may meet."""

    module: ModuleType
    policy: str
    wrong: str
    right: str
    seats: bool = False

    @property
    def line(self) -> int:
        """The number of the wrong line."""
        lines = inspect.getsource(self.module).splitlines()
        return 1 + [line.strip() for line in lines].index(self.wrong)


STRANGERS = {
    "memory": Stranger(memory, "independent", 'reward = batch["reward"].reshape(-1, len(own)).T',
                       'reward = batch["reward"][..., 0]', seats=True),
    "team": Stranger(team, "team", "ahead = best[:, :-1]", "ahead = best[:, 1:]"),
    "actor": Stranger(actor, "returns", 'real = batch["filled"][:, :-1, 0].float()',
                      'real = batch["filled"][:, 1:, 0].float()'),
}  # fmt: skip


def code(key: str) -> str:
    """The stranger's code, with numbers of lines."""
    lines = inspect.getsource(STRANGERS[key].module).splitlines()
    return "\n".join(f"{number:3}  {line}" for number, line in enumerate(lines, 1))


def prepare(key: str) -> tuple[Callable, dict[str, Tensor], Net]:
    """The stranger's `update`, a batch and a network: the loss is `update(batch, net)`."""
    stranger = STRANGERS[key]
    batch = small_batch(groups=3 if stranger.seats else 6, seats=stranger.seats)
    torch.manual_seed(0)
    net = Net(batch["obs"].shape[-1], batch["avail_actions"].shape[-1], recurrent=stranger.seats)
    return stranger.module.update, batch, net


def followed(key: str, policy: str | None = None, update: Callable | None = None) -> Found:
    """What `follow` finds in one update of a stranger, or of another `update` on the same batch."""
    own, batch, net = prepare(key)
    with follow(inputs_of(batch), seat=batch.get("seat"), policy=policy or STRANGERS[key].policy) as found:
        (update or own)(batch, net).backward()
    return found


def changed(key: str, line: str) -> Callable:
    """The stranger's `update` with `line` instead of the wrong one."""
    stranger = STRANGERS[key]
    source = inspect.getsource(stranger.module).replace(stranger.wrong, line.strip())
    name = f"<{key}, changed: {line.strip()}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names: dict[str, object] = {}
    exec(compile(source, name, "exec"), names)
    return names["update"]


def check_line(guess: object, key: str) -> Verdict:
    """Is this the number of the wrong line?"""
    return check_values(guess, {"line": STRANGERS[key].line})


def repair(key: str, line: str) -> Verdict:
    """Run a stranger with another line instead of the wrong one: the loss must be that of a right learner."""
    if line.strip().endswith("= ..."):
        return Verdict("open", _("Not answered yet: write the line over the dots, and run this cell again."))
    losses = []
    try:
        for written in (line, STRANGERS[key].right):
            __, batch, net = prepare(key)
            losses.append(changed(key, written)(batch, net))
        verdict = followed(key, update=changed(key, line)).verdict
    except Exception as error:
        return Verdict(
            "wrong", _("Not yet: it stops with {name}: {error}").format(name=type(error).__name__, error=error)
        )
    if verdict is not None:
        return Verdict("wrong", _("Not yet: {kind}: {message}.").format(kind=verdict.kind, message=verdict.message))
    if not torch.allclose(*losses):
        return Verdict("wrong", _("Not yet: nothing meets that may not, but the loss is not that of a right learner."))
    return Verdict(
        "right",
        _("Repaired: nothing met that may not, and the loss is {loss:.3f}.").format(loss=float(losses[0].detach())),
    )


def check_place(guess: object, step: int, row: int) -> Verdict:
    """Whose observation is at [step, row] of `obs.permute(1, 0, 2, 3).flatten(1, 2)`?"""
    batch = small_batch()
    with follow(inputs_of(batch)) as found:
        origin = found.explain(batch["obs"].permute(1, 0, 2, 3).flatten(1, 2)[step, row])
    places = {name: int(getattr(origin, name)[0]) for name in ("episode", "step", "seat")}
    return check_values(guess, places)


def check_policy(guess: object) -> Verdict:
    """Which is the strictest preset under which the repaired team is no alarm?"""
    update = changed("team", STRANGERS["team"].right)
    found = {name: followed("team", name, update).verdict for name in PRESETS if name != "omg"}
    facts = {name: _("no verdict") if verdict is None else verdict.message for name, verdict in found.items()}
    return check_choice(guess, next(name for name, verdict in found.items() if verdict is None), facts)


def check_unseen(guess: object) -> Verdict:
    """Which of three changes of the repaired memory does no verdict name?"""
    right = STRANGERS["memory"].right
    changes = {
        "all rewards negated": right.replace('batch["reward"]', '-batch["reward"]'),
        "rewards rolled by a step": right.replace("[..., 0]", "[..., 0].roll(1, 1)"),
        "rewards of another episode": right.replace("[..., 0]", "[..., 0].flip(0)"),
    }
    found = {name: followed("memory", update=changed("memory", line)).verdict for name, line in changes.items()}
    facts = {name: _("no verdict") if verdict is None else verdict.message for name, verdict in found.items()}
    return check_choice(guess, next(name for name, verdict in found.items() if verdict is None), facts)

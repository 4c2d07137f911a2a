"""`follow`: a context manager that carries the origin of elements through unchanged torch code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

import omg_lib.provenance.moves
import omg_lib.provenance.sums  # noqa: F401
from omg_lib.provenance.found import Found
from omg_lib.provenance.inputs import first_label, read_inputs, read_real, read_seat
from omg_lib.provenance.joins import Joiner, numbers_in
from omg_lib.provenance.journal import Journal, Sum, cells
from omg_lib.provenance.kinds import GETS, ROLES, SEES, Kind, Kinds
from omg_lib.provenance.labels import Shadow, episode_of, has_storage, kind_of, step_of
from omg_lib.provenance.lines import Lines
from omg_lib.provenance.outside import numbers_seen, threads_seen
from omg_lib.provenance.policy import Policy, policy_of
from omg_lib.provenance.recurrence import Recurrence
from omg_lib.provenance.replay import Recorder
from omg_lib.provenance.rules import GEOMETRY, Label, Rules, name_of
from omg_lib.words import _

_busy = threading.Lock()


class Follower(TorchDispatchMode):
    """Sees every torch operation: runs it unchanged, then labels its result."""

    def __init__(self, inputs: dict, seat: Tensor | None, real: Tensor | None, policy: Policy) -> None:
        super().__init__()
        found = read_inputs(inputs)
        self.size = found[0].size("e"), found[0].size("t")
        seat, self.real = read_seat(seat, self.size[0]), read_real(real, found)
        self.lines, self.shadow, self.kinds = Lines(), Shadow(), Kinds()
        self.journal = Journal(self.lines, seat, self.real)
        self.joiner = Joiner(policy, self.kinds, self.journal)
        self.rules = Rules(self.shadow, self.joiner, self.whole)
        self.recorder = Recorder(self.shadow)
        self.roles = {ROLES[one.role] for one in found}
        self.lock = threading.RLock()  # watched threads write labels too
        self.pending: frozenset[int] = frozenset()
        self.inside = False  # torch's own Python code is running: its views are not the followed code's
        for one in found:
            self.shadow.write(one.tensor, first_label(one, self.kinds, seat))

    def begin(self) -> None:
        """Begin an operation on the line that is running."""
        self.journal.line, self.inside, sorting = self.lines.now()
        self.journal.mover = 0 if sorting else self.journal.line
        self.recorder.begin(self.journal.line)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        followed = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and self.shadow.knows(x)]
        if not followed:
            return func(*args, **kwargs)
        written = _written(func, args, kwargs)
        in_place = bool(written) and bool(args) and written[0] is args[0]
        label, failed = None, False
        with self.lock, labelling():
            self.begin()
            self.pending = self.shadow.sums(followed)
            if in_place and name_of(func) not in GEOMETRY:
                try:
                    label = self.rules.label_of(func, args, kwargs, args[0])  # made of what was there before
                except Exception:
                    failed = True
        out = func(*args, **kwargs)
        with self.lock, labelling():
            try:
                if failed or (written and not in_place) or not all(map(has_storage, followed)):
                    self._lost(name_of(func), (out, written))
                elif in_place:
                    self._change(func, args[0], label)
                else:
                    self._label(func, args, kwargs, out, followed)
            except Exception:  # a rule that fails must not stop the followed code
                self._lost(name_of(func), (out, written))
        return out

    def _change(self, func, target: Tensor, label: Label | list[Label]) -> None:
        if name_of(func) in GEOMETRY:
            self.recorder.made(target)
        else:
            self.write(target, label[0] if isinstance(label, list) else label)

    def _label(self, func, args: tuple, kwargs: dict, out, followed: list[Tensor]) -> None:
        results = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        if not all(map(has_storage, results)):
            self._lost(name_of(func), out)
            return
        source = next((x for x in followed if results and same_storage(x, results[0])), None)
        if source is not None:
            for x in results:
                if not self.shadow.plane(x).recast(x.element_size()):
                    self._lost(name_of(func), x)
                self.rules.note_view(name_of(func), source, x, 0 if self.inside else self.journal.line)
                self.recorder.made(x)
            return
        if not results:
            return
        label = self.rules.label_of(func, args, kwargs, out)
        labels = label if isinstance(label, list) else [label] * len(results)
        for x, one in zip(results, labels, strict=False):
            self.write(x, one)

    def _lost(self, what: str, out, why: str = "") -> None:
        """Mark these results as having lost their origin."""
        for x in tree_leaves(out):
            if isinstance(x, Tensor):
                self.shadow.forget(x)
                self.write(x, self.joiner.lost(what, why))

    def lose_origin(self, what: str, why: str, out) -> None:
        """Do the same for a result that no operation of this thread made."""
        with self.lock, self.outside(), labelling():
            self.begin()
            self.pending = frozenset()
            self._lost(what, out, why)

    def write(self, x: Tensor, label: Tensor | None) -> None:
        """Give a result its label."""
        if label is not None and label.ndim > x.ndim:
            raise ValueError(
                _("a label {shape} for a result {other}").format(shape=list(label.shape), other=list(x.shape))
            )
        if label is not None and label.ndim < x.ndim:
            label = label.reshape([1] * (x.ndim - label.ndim) + list(label.shape))
        self.shadow.write(x, label, self.pending)
        if label is not None:
            self.recorder.made(x)

    def whole(self, label: Tensor | None) -> None:
        """Note a sum over many places: its parts count once it reaches a loss."""
        if label is None:
            return
        kinds = {k: self.kinds[k] for k in numbers_in(label) if k}
        if not kinds or all(kind.mask for kind in kinds.values()):
            return
        answered = self._places(label, {k: kind for k, kind in kinds.items() if kind.times[GETS]}, GETS)
        looked = {k: kind for k, kind in kinds.items() if kind.times[SEES] and not kind.times[GETS]}
        roles = {ROLES[i] for kind in kinds.values() for i, span in enumerate(kind.times) if span}
        made = Sum(
            line=self.journal.line,
            causes={kind.cause for k, kind in kinds.items() if kind.cause and self._counts(label, k, kind)},
            roles=roles,
            masks={kind.masked for kind in kinds.values() if kind.masked},
            answered=answered,
            looked=self._places(label, looked, SEES),
        )
        self.journal.sums.append(made)
        self.pending |= {len(self.journal.sums) - 1}

    def _counts(self, label: Tensor, number: int, kind: Kind) -> bool:
        """Return whether elements of this kind are at transitions that exist; otherwise they are padding and reported
        as such.
        """
        if self.real is None or not kind.times[GETS] or kind.mixed:
            return True
        return bool((self._places(label, {number: kind}, GETS) & self.real.cpu()).any())

    def _places(self, label: Tensor, kinds: dict, role: int) -> Tensor:
        """Return the [E, T] places where a label has one of these kinds, by the first step of a role."""
        offsets = torch.full((len(self.kinds.known),), -(2**20), device=label.device)
        for number, kind in kinds.items():
            if "time" not in kind.mixed and "episode" not in kind.mixed:
                offsets[number] = kind.times[role][0]
        step = step_of(label) + offsets[kind_of(label)]
        return cells(self.size, (episode_of(label) - 1).flatten(), step.flatten()).cpu()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Follow nothing inside this context."""
        with _disable_current_modes():
            yield

    def lose(self, roots) -> None:
        """Note these tensors as losses: their gradients are computed."""
        for root in tree_leaves(roots):
            if not isinstance(root, Tensor):
                continue
            plane = self.shadow.plane(root)
            if plane is None:
                continue
            with labelling():
                self.begin()
                self.pending = frozenset()
                label = self.rules.label(root)
                if label is not None and bool((kind_of(label) > 0).any()):
                    self.whole(label)
            self.journal.losses |= plane.sums | self.pending


@contextmanager
def labelling() -> Iterator[None]:
    """Handle labels as plain numbers, whatever modes the followed code has set."""
    with torch.no_grad(), torch.inference_mode(False):
        yield


def _written(func, args: tuple, kwargs: dict) -> list[Tensor]:
    """Return the arguments that an operation writes to."""
    if not func._schema.is_mutable:
        return []
    names = [argument for argument in func._schema.arguments if argument.alias_info and argument.alias_info.is_write]
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    return [x for x in tree_leaves([given.get(argument.name) for argument in names]) if isinstance(x, Tensor)]


def same_storage(x: Tensor, y: Tensor) -> bool:
    return x.untyped_storage()._cdata == y.untyped_storage()._cdata


@contextmanager
def follow(
    inputs: dict,
    seat: Tensor | None = None,
    real: Tensor | None = None,
    policy: str | Policy = "independent",
) -> Iterator[Found]:
    """Follow where the elements of `inputs` go, until the end of the block.

    | argument | meaning |
    |---|---|
    | inputs | name -> (tensor, axes) or (tensor, axes, role); axes in words, as "e t a _" for [E, T, A, F] |
    | seat | [E], [E, 1] or [E, T, 1]: the learner's seat in each episode; rewards and ends belong to it |
    | real | [E, T]: which transitions exist; without it, t is real iff `filled` is true at t + 1 |
    | policy | what may be mixed: "independent", "team", "returns", "omg", or a `Policy` |

    Roles are sees, acts, gets, ends, filled. Common names have their own role; all others have `sees`. Neither the code
    inside nor its results change. Raises ConfigError for bad arguments, RuntimeError for a block inside a block.
    """
    if not _busy.acquire(blocking=False):
        raise RuntimeError(_("follow is open already: close the outer block before you open another"))
    try:
        follower = Follower(inputs, seat, real, policy_of(policy))
        parts = follower.shadow, follower.kinds, follower.journal, follower.recorder, follower.real, follower.roles
        found = Found(*parts)
        with ExitStack() as stack:
            stack.enter_context(losses_seen(follower))
            stack.enter_context(threads_seen(follower.shadow, follower.lose_origin))
            stack.enter_context(numbers_seen(follower.shadow, follower.lose_origin))
            stack.enter_context(Recurrence(follower.rules, follower.outside, follower.begin, follower.write))
            stack.enter_context(follower)
            yield found
            follower.recorder.keep()
    finally:
        _busy.release()


@contextmanager
def losses_seen(follower: Follower) -> Iterator[None]:
    """Tell the follower which tensors gradients are computed for. The gradients are not followed."""
    backward, grad = torch.autograd.backward, torch.autograd.grad

    def seen(original):
        def run(tensors, *args, **kwargs):
            follower.lose(tensors)
            with follower.outside():
                return original(tensors, *args, **kwargs)

        return run

    torch.autograd.backward, torch.autograd.grad = seen(backward), seen(grad)
    try:
        yield
    finally:
        torch.autograd.backward, torch.autograd.grad = backward, grad

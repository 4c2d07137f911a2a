"""Policies: what may meet, and what a value becomes after it has met another.

The terms are those of reinforcement learning. Within an episode the order is: see at t, act at t, get a reward (and
maybe an end) for t, see at t + 1. For one step of temporal-difference learning, everything follows from this:

| meets | in | allowed |
|---|---|---|
| observation of t, last action | what a network reads | the action of t - 1 |
| values of t, an index or a mask over actions | a choice | the action and the availability of t |
| reward or end of t, a value | a target | a value of t + 1, or the value of what was done at t |
| target of t, a value | an error | the value of t |
| memory, what is read | a recurrence | memory of t - 1, in the same episode and seat |
| steps of an episode | attention | earlier ones; the result belongs to the latest that it looks at |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from omg_lib.config import ConfigError
from omg_lib.provenance.kinds import ACTS, ENDS, FILLED, GETS, NOTHING, SEES, Kind, Span, holds, union
from omg_lib.words import _, listing

READ, CHOOSE, VALUE, ERROR, WEIGH = "read", "choose", "value", "error", "weigh"
RECUR, ATTEND = "recurrence", "attention"


@dataclass(frozen=True)
class Policy:
    """What else may meet, besides what always may.

    | field | what it allows |
    |---|---|
    | team | seats of one step meet in values: mixers, critics over the team |
    | returns | rewards and values of later steps meet: n-step returns, TD(lambda), GAE; rewards are standardised |
    | hindsight | a network reads later observations of the same place: subgoals, relabelled goals |
    | shared | which of its teammates' "obs" and "actions" a seat may use: opponent models |
    """

    team: bool = False
    returns: bool = False
    hindsight: bool = False
    shared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [name for name in self.shared if name not in ("obs", "actions")]
        if unknown:
            raise ConfigError("shared", unknown[0], _('"obs" and "actions"'))

    def shares(self, kind: Kind) -> bool:
        """Return whether a seat may use a teammate's value of this kind: everything in it is shared."""
        sees, acts, *others = kind.times
        if any(others):
            return False
        return (sees is None or "obs" in self.shared) and (acts is None or "actions" in self.shared)


PRESETS = {
    "independent": Policy(),
    "team": Policy(team=True),
    "returns": Policy(team=True, returns=True),
    "omg": Policy(hindsight=True, shared=("actions",)),
}


def policy_of(policy: str | Policy) -> Policy:
    """Return a preset by its name, or the policy itself."""
    if isinstance(policy, Policy):
        return policy
    if policy not in PRESETS:
        raise ConfigError("policy", policy, _("{names}, or a Policy").format(names=listing(PRESETS)))
    return PRESETS[policy]


class Pair(NamedTuple):
    """Two kinds that meet. `distance` is b's step minus a's."""

    a: Kind
    b: Kind
    distance: int
    context: str
    other_episode: bool = False
    other_seat: bool = False
    seatless: bool = False
    team_a: bool = False
    team_b: bool = False
    one_step: bool = False


class Meeting(NamedTuple):
    """The result: its kind, its step relative to a's, and whose seat it has ("both", "a", "b", "team"). `summary`:
    which one sums up rewards of an episode that the other is one of ("a", "b", "").
    """

    kind: Kind
    shift: int
    seat: str
    join: str
    fault: tuple[str, str] | None
    summary: str


def meet(pair: Pair, policy: Policy) -> Meeting:
    """Judge one pair, and return the result."""
    a, b = pair.a, pair.b
    fault = _mixed_fault(pair, policy)
    if fault is None:
        fault = _place_fault(pair, policy)
    if fault is None and "time" not in (*a.mixed, *b.mixed):
        fault = _time_fault(pair, policy)
    summary = _summary(pair) if policy.returns else ""
    kind, shift = _difference(pair, policy) or _standardised(pair, policy, summary) or _result(pair)
    return Meeting(kind, shift, _seat(pair), _join(pair), fault, summary)


def _place_fault(pair: Pair, policy: Policy) -> tuple[str, str] | None:
    if pair.other_episode:
        return "episode", "another episode"
    if not pair.other_seat:
        return None
    a, b = pair.a, pair.b
    if policy.team and pair.context in (VALUE, ERROR, WEIGH):
        return None
    if policy.team and pair.context in (READ, ATTEND) and a.action == b.action:
        return None  # all actions or all observations of the team
    if policy.shares(a) or policy.shares(b):
        return None
    return "seat", "another seat"


def _mixed_fault(pair: Pair, policy: Policy) -> tuple[str, str] | None:
    """Return the fault if a summary over many places meets one of them."""
    for x, y in ((pair.a, pair.b), (pair.b, pair.a)):
        fresh = [c for c in x.mixed if c not in y.mixed]
        if not fresh or y.mask or y.times == NOTHING or (x.finished and y.finished):
            continue
        if fresh == ["time"] and policy.hindsight:
            continue
        if policy.returns and _is_statistic(x, y):
            continue
        return "unclear", _("too mixed to tell: a summary over many {what} values meets single ones").format(
            what=listing(fresh)
        )
    return None


def _is_statistic(x: Kind, y: Kind) -> bool:
    """Return whether x sums up many rewards or targets and y holds single ones: then they are standardised."""
    return bool(x.mixed) and not y.mixed and x.times[GETS] is not None


def _difference(pair: Pair, policy: Policy) -> tuple[Kind, int] | None:
    """Return the kind of what a subtraction of running sums leaves: the steps that only one of them contains."""
    a, b = pair.a, pair.b._replace(times=pair.b.shifted(pair.distance))
    if not policy.returns or pair.context != ERROR or not (a.running or b.running):
        return None
    run, other = (a, b) if a.running else (b, a)
    if run.mixed or other.times[GETS] is None or (run.times[SEES] is None) != (other.times[SEES] is None):
        return None
    (first, last), (start, end) = run.times[GETS], other.times[GETS]
    if other.mixed == ("time",):
        left, running = (last + 1, last + 1), False  # all of them without the first ones
    elif start == first and (end != last if other.running else end > start):
        left, running = (min(last, end) + 1, max(last, end, min(last, end) + 1)), False
    elif run is a and start == end == last and first < last:
        left, running = (first, last - 1), True
    else:
        return None
    kind, _ = _result(pair)
    return kind._replace(times=_resized(run.times, left), mixed=(), running=running), left[0]


def _summary(pair: Pair) -> str:
    """Return which of two sums up rewards of an episode, for a mean or a deviation: the other is one of these rewards,
    or a return.
    """
    if any(kind.running or kind.mixed or kind.times[SEES] or not kind.times[GETS] for kind in (pair.a, pair.b)):
        return ""
    a, b = pair.a.times[GETS], pair.b.shifted(pair.distance)[GETS]
    if pair.context in (ERROR, WEIGH) and a != b and b[0] <= a[0] and a[1] <= b[1]:
        return "b"
    if pair.context == WEIGH and a != b and a[0] <= b[0] and b[1] <= a[1]:  # a subtraction from a sum leaves its rest
        return "a"
    return ""


def _resized(times: tuple[Span | None, ...], left: Span) -> tuple[Span | None, ...]:
    """Return spans of the rewards that are left, and of what else is summed with them, counted from the first."""
    first, last = times[GETS]
    size = left[1] - left[0]
    return tuple(span and (span[0] - first, span[1] - last + size) for span in times)


def _standardised(pair: Pair, policy: Policy, summary: str) -> tuple[Kind, int] | None:
    """Return the kind of a standardised value, which stays what it was."""
    for which, x, y, shift in (("a", pair.a, pair.b, pair.distance), ("b", pair.b, pair.a, 0)):
        if which == summary or (policy.returns and _is_statistic(x, y)):
            return y._replace(cause=min(filter(None, (x.cause, y.cause)), default=0)), shift
    return None


def _time_fault(pair: Pair, policy: Policy) -> tuple[str, str] | None:
    a, b = pair.a.times, pair.b.shifted(pair.distance)
    if pair.a.mask and a[FILLED] or pair.b.mask and b[FILLED]:
        return None  # at the loss, a mask's zeros show which steps it keeps
    if pair.context == RECUR:
        return _recurrence_fault(a, b, policy)
    if pair.context == ATTEND and not pair.a.outcome and not pair.b.outcome:
        return None  # the newest step counts: the reward shows whether it is too new
    return _outcome_fault(pair, a, b, policy) or _sight_fault(pair, a, b, policy) or _action_fault(pair, a, b, policy)


def _recurrence_fault(x, memory, policy):
    sees, before = x[SEES] or x[ACTS], memory[SEES] or memory[ACTS]
    if sees is None or before is None or holds(before, sees, 1) or (policy.hindsight and holds(before, sees, 0)):
        return None
    return "time", _("memory must be one step older than what is read, here it is {older}").format(
        older=sees[0] - before[0]
    )


def _outcome_fault(pair, a, b, policy):
    """Return the fault of rewards and ends, with each other and with values."""
    for i in (GETS, ENDS):
        for j in (GETS, ENDS):
            if a[i] and b[j] and not holds(a[i], b[j], 0) and not policy.returns:
                return "time", _("rewards and ends of one step belong together, here they are {apart} apart").format(
                    apart=b[j][0] - a[i][0]
                )
    for x, y, one in ((a, b, pair.a), (b, a, pair.b)):
        answer = x[GETS] or x[ENDS]
        if not answer or not y[SEES] or y[GETS]:
            continue
        after = y[SEES][1] - answer[0]
        if x[SEES]:  # a target, or an end with its bootstrap
            at = 0 if x[GETS] else 1
            first = answer[0], answer[0]
            if pair.context == ERROR and x[GETS] == x[SEES] == x[ACTS] == y[SEES] == y[ACTS]:
                return "time", _("the target of a step is made of the value of that very step")
            # returns add later values; what they subtract or weight is the value of their own step
            added = policy.returns and after >= 0 and pair.context not in (ERROR, WEIGH)
            if holds(first, y[SEES], at) or added:
                continue
            return "time", _(
                "the target of a step belongs to the value of that step, here the value is {after:+d}"
            ).format(after=after)
        taken = bool(x[GETS] and y[ACTS] and holds(x[GETS], y[ACTS], 0) and holds(x[GETS], y[SEES], 0))
        # an end cuts off what comes after its step; where summed rewards end, a value continues
        later = not (0 < after <= answer[1] - answer[0]) if x[GETS] else after > 0
        later = later and not (one.running and after and pair.context == ERROR)
        if holds(answer, y[SEES], 1) and later or taken or (policy.returns and after >= 0 and later):
            continue
        return "time", _("a target is a reward and the value one step later, here the value is {after:+d}").format(
            after=after
        )
    return None


def _sight_fault(pair, a, b, policy):
    """Return the fault of two observations, or of values made of them, before any reward."""
    if not a[SEES] or not b[SEES] or pair.a.outcome or pair.b.outcome or holds(a[SEES], b[SEES], 0):
        return None
    apart = b[SEES][0] - a[SEES][0]
    older = pair.a if apart > 0 else pair.b
    if policy.hindsight and pair.context != CHOOSE:
        return None
    if abs(apart) == 1 and pair.context != CHOOSE and (pair.one_step or (pair.context == READ and older.history)):
        return None  # a recurrence written out step by step
    return "time", _("observations of one step belong together, here they are {apart} apart").format(apart=abs(apart))


def _action_fault(pair, a, b, policy):
    """Return the fault of an action with an observation or with another action."""
    if pair.a.action and pair.b.action:
        if holds(a[ACTS], b[ACTS], 0) or (pair.context == READ and (policy.team or policy.hindsight)):
            return None
        return "time", _("actions of one step belong together, here they are {apart} apart").format(
            apart=abs(b[ACTS][0] - a[ACTS][0])
        )
    for x, y, one, two in ((a, b, pair.a, pair.b), (b, a, pair.b, pair.a)):
        if not one.action or not y[SEES]:
            continue
        late = x[ACTS][1] - y[SEES][0]
        if pair.context == CHOOSE:
            if not holds(y[SEES], x[ACTS], 0):
                return "time", _("values of a step are chosen by the action of that step, here it is {late:+d}").format(
                    late=late
                )
            if y[ACTS] and y[ACTS][1] >= x[ACTS][0] and not policy.team and not pair.a.outcome and not pair.b.outcome:
                return "time", _("the values were computed from the very action that chooses among them")
        elif pair.context == READ:
            of_others = policy.team and (pair.other_seat or pair.seatless or pair.team_a or pair.team_b or two.history)
            if not holds(y[SEES], x[ACTS], -1) and not (holds(y[SEES], x[ACTS], 0) and (of_others or policy.hindsight)):
                return "time", _("a network reads the action of the step before, here it is {late:+d}").format(
                    late=late
                )
        elif not holds(y[SEES], x[ACTS], 0) and not holds(y[SEES], x[ACTS], -1):
            return "time", _("an action meets a value of its own step, here it is {late:+d}").format(late=late)
    return None


def _result(pair: Pair) -> tuple[Kind, int]:
    a, b = pair.a.times, pair.b.shifted(pair.distance)
    recurrent = pair.context == RECUR
    if recurrent:  # a is what is read, b the memory
        times = tuple(x or y for x, y in zip(a, b, strict=True))
    else:
        times = tuple(union(x, y) for x, y in zip(a, b, strict=True))
        if pair.one_step or pair.context == ATTEND or pair.a.history != pair.b.history:
            times = _newest(times, a, b)
    if times[FILLED] and times[SEES] is None and times[ACTS] is None and times[GETS] is None:
        times = (*NOTHING[:FILLED], times[FILLED])  # a mask counts as the mask of its `filled`
    anchor = next((span[0] for span in (times[GETS], *times) if span), 0)
    times = tuple(span and (span[0] - anchor, span[1] - anchor) for span in times)
    history = recurrent or pair.a.history or pair.b.history or (pair.context == ATTEND and pair.distance != 0)
    mixed = tuple(sorted({*pair.a.mixed, *pair.b.mixed}))
    moved = tuple(x or y for x, y in zip(pair.a.moved, pair.b.moved, strict=True))
    masks = [line for kind in (pair.a, pair.b) if kind.mask and kind.times[FILLED] for line in kind.moves("time")]
    one_masks = pair.a.mask != pair.b.mask
    masked = pair.a.masked or pair.b.masked or (masks[0] if masks and one_masks else 0)
    cause = min(filter(None, (pair.a.cause, pair.b.cause)), default=0)
    running = (pair.a.running and pair.b.mask) or (pair.b.running and pair.a.mask)
    return Kind(times, history, mixed, moved, masked, cause, running), anchor


def _newest(times, a, b):
    """Return what counts when memory meets new input: only the newest observation and action."""
    out = list(times)
    for role in (SEES, ACTS):
        if a[role] and b[role] and not times[GETS] and not holds(a[role], b[role], 0):
            out[role] = max(a[role], b[role])
    return tuple(out)


def _seat(pair: Pair) -> str:
    """Return whose the result is if two seats met, or the team and a seat: the seat that saw, or the team."""
    if not (pair.other_seat or pair.team_a or pair.team_b):
        return "both"
    for who, x, y in (("a", pair.a, pair.b), ("b", pair.b, pair.a)):
        if (x.times[SEES] is not None and y.action) or (x.outcome and not y.outcome and pair.other_seat):
            return who
    return "team"


def _join(pair: Pair) -> str:
    """Return the kind of a join, for the table."""
    if pair.a.mixed or pair.b.mixed:
        return "everything"
    if pair.other_episode:
        return "another episode"
    if pair.other_seat:
        return "another seat"
    if pair.context == RECUR or (pair.context == ATTEND and pair.distance):
        return "earlier steps"
    a, b = pair.a.times, pair.b.shifted(pair.distance)
    for x, y in ((a, b), (b, a)):
        answer = x[GETS] or x[ENDS]
        if answer and not x[SEES] and y[SEES] and holds(answer, y[SEES], 1):
            return "next step"
    return "same place"

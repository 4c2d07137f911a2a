"""The step-through of one iteration without Jupyter: a stage, one of its fields, a slice, their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from omg_lib.config import ConfigError
from omg_lib.envs.base import whole_number
from omg_lib.lessons.iteration import Iteration, Memory, Source, memory_of, source_of
from omg_lib.lessons.table import Table
from omg_lib.plots.heat import heat_svg
from omg_lib.plots.units import bytes_text
from omg_lib.words import N_, _, listing

MOVES = {N_("first"): lambda at, last: 0, N_("back"): lambda at, last: max(at - 1, 0),
         N_("next"): lambda at, last: min(at + 1, last), N_("last"): lambda at, last: last}  # fmt: skip


class IterationModel:
    """The step-through without its view: `go("next")` moves from stage to stage, `look(...)` selects a field.

    | call | what it does |
    |---|---|
    | `go("first")`, "back", "next", "last", or a number from 0 | goes to a stage; keeps the field if the stage has it |
    | `look(field=, down=, across=)` | selects a field, or the picture's axes, by name |
    | `place("G*A", 3)` | sets the position on an axis that is not in the picture |

    State: `position`, `stage`, `field`, `down`, `across`, `fixed` (axis -> position, of the axes not in the picture),
    `picture` (SVG, "" without values), `table`, `source`, `memory` (one sentence), `status`. An invalid argument raises
    ConfigError, one sentence, and changes nothing.
    """

    def __init__(self, iteration: Iteration) -> None:
        if not iteration.trace.stages:
            raise ConfigError("trace", iteration.trace.update, _("allowed is one with at least one stage"))
        self.iteration, self.stages = iteration, iteration.trace.stages
        self._listeners: list[Callable[[], None]] = []
        self._wanted: dict[str, int] = {}  # requested positions, kept from stage to stage
        self._wished = ""  # the requested field, kept too
        self._show(0)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change."""
        self._listeners.append(listener)

    def go(self, where: str | int | Any) -> None:
        last = len(self.stages) - 1
        if isinstance(where, str):
            if where not in MOVES:
                raise ConfigError("where", where, _("allowed are {moves} or a number").format(moves=listing(MOVES)))
            where = MOVES[where](self.position, last)
        self._show(whole_number("where", where, 0, last))

    def look(self, field: str | None = None, down: str | None = None, across: str | None = None) -> None:
        field = self.field if field is None else field
        self._allowed("field", field, list(self.stage.fields))
        axes = axis_names(self.stage.fields[field].axes)
        if field == self.field:  # requesting the other direction's axis swaps the two
            before = self.down, self.across
            down = down or before[across == before[0]]
            across = across or before[down != before[1]]
        else:
            down, across = down or usual(axes)[0], across or usual(axes)[1]
        if len(axes) > 1:
            self._allowed("down", down, axes)
            self._allowed("across", across, [axis for axis in axes if axis != down])
        self._wished = field
        self._show(self.position, field, down, across)

    def place(self, axis: str, index: int | Any) -> None:
        self._allowed("axis", axis, list(self.fixed))
        self._wanted[axis] = whole_number(axis, index, 0, self.sizes[axis] - 1)
        self._show(self.position, self.field, self.down, self.across)

    def _allowed(self, name: str, value: str | None, allowed: Sequence[str]) -> None:
        if value not in allowed:
            raise ConfigError(
                name,
                value,
                _("allowed here: {names}").format(names=listing(allowed) or _("none, this stage has no fields")),
            )

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _show(self, position: int, field: str | None = None, down: str = "", across: str = "") -> None:
        self.position, self.stage = position, self.stages[position]
        fields = self.stage.fields
        if field is None:
            field = self._wished if self._wished in fields else next(iter(fields), None)
            down, across = usual(axis_names(fields[field].axes)) if field else ("", "")
        self.field, self.down, self.across = field, down, across
        axes = axis_names(fields[field].axes) if field else ()
        self.sizes = dict(zip(axes, fields[field].shape, strict=True)) if field else {}
        self.fixed = {
            axis: min(self._wanted.get(axis, 0), self.sizes[axis] - 1) for axis in axes if axis not in (down, across)
        }
        self.source: Source | None = source_of(self.stage.name)
        self.picture = self._picture()
        self.table, self.memory = self._table(), self._memory()
        self.status = _("Stage {position} of {stages}: {name}. {memory}").format(
            position=position + 1, stages=len(self.stages), name=self.stage.name, memory=self.memory
        )
        for listener in self._listeners:
            listener()

    def _picture(self) -> str:
        if self.field is None or self.stage.name not in self.iteration.values:
            return ""
        x = self.iteration.values[self.stage.name][self.field]
        where = listing(f"{axis} = {index}" for axis, index in self.fixed.items())
        title = _("{field} at {where}") if where else "{field}"
        title = title.format(field=f"{self.stage.name}: {self.field}", where=where)
        names = list(self.sizes)
        index = tuple(self.fixed.get(axis, slice(None)) for axis in names)
        x = x[index]
        if len(names) > 1 and names.index(self.down) > names.index(self.across):
            x = x.t()
        x = x.reshape([1] * (2 - x.ndim) + list(x.shape))  # draw a single number, too
        return heat_svg(x, self.down or _("one"), self.across or _("number"), title)

    def _table(self) -> Table:
        heads = (N_("field"), N_("axes"), N_("shape"), "dtype", N_("bytes"), N_("memory"))
        rows = []
        for key, one in self.stage.fields.items():
            shape, axes = ("[" + ", ".join(map(str, parts)) + "]" for parts in (one.shape, one.axes))
            owner = self._owner(key)
            rows.append((key, axes, shape, one.dtype, bytes_text(one.bytes), "" if owner is None else str(owner)))
        return Table(heads, tuple(rows) or ((_("nothing"), "", "", "", "", ""),))

    def _owner(self, key: str) -> Memory | None:
        values = self.iteration.values
        return memory_of(values, self.stage.name, key) if self.stage.name in values else None

    def _memory(self) -> str:
        """Say whether the stage copied anything."""
        found = {self._owner(key) for key in self.stage.fields}
        if not found:
            return _("It creates no tensor.")
        if found == {None}:
            return _("This trace has shapes but no values.")
        if found == {Memory()}:
            return _("Every field is new memory.")
        (first, *others) = found
        if not others:
            return _("Nothing is copied: every field is {first}.").format(first=first)
        return _("Some fields are new memory, others are not: see the table.")


def axis_names(axes: Sequence[str]) -> tuple[str, ...]:
    """Give each axis a unique name: the second of two axes called A becomes "A (axis 3)".

    >>> axis_names(("G", "T", "A", "A"))
    ('G', 'T', 'A', 'A (axis 3)')
    """
    return tuple(f"{axis} (axis {i})" if axis in axes[:i] else axis for i, axis in enumerate(axes))


def usual(axes: Sequence[str]) -> tuple[str, str]:
    """Return the axes that a picture shows at first: time down, the last axis across."""
    if len(axes) < 2:
        return "", "".join(axes)
    times = [axis for axis in axes[:-1] if axis in ("T", "T-1", "L+1")]
    return (times or list(axes[-2:-1]))[0], axes[-1]

"""The failure museum: what went wrong in other people's multi-agent code, run again here, and repaired."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from omg_lib.checks import Verdict
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.lessons.museum.exhibit import Exhibit, Outcome, judge_outcome, run
from omg_lib.lessons.museum.loud import LOUD
from omg_lib.lessons.museum.silent import SILENT

EXHIBITS = {exhibit.key: exhibit for exhibit in (*LOUD, *SILENT)}
"""Key -> exhibit: first those that stop with a message, then those that say nothing."""


def exhibit(key: str) -> Exhibit:
    """The exhibit of this key. ConfigError for another."""
    if key not in EXHIBITS:
        raise ConfigError("exhibit", key, f"allowed are {', '.join(EXHIBITS)}")
    return EXHIBITS[key]


def fail(key: str, config: OMGConfig) -> Outcome:
    """Run an exhibit as it went wrong, at the sizes of this configuration.

    >>> fail("field-obs", OMGConfig(n_agents=8, batch_size=32)).numbers
    {'first size': 8, 'second size': 80, 'dimension': 3}
    """
    return run(exhibit(key), exhibit(key).wrong, config)


def repair(key: str, config: OMGConfig) -> Outcome:
    """Run an exhibit with the line that repairs it."""
    return run(exhibit(key), exhibit(key).right, config)


def found_by_shape(config: OMGConfig) -> list[str]:
    """The silent exhibits whose result has another shape when it is wrong than when it is right."""
    pairs = {one.key: (fail(one.key, config), repair(one.key, config)) for one in SILENT}
    shapes = {key: [x.names[x.exhibit.result].shape for x in pair] for key, pair in pairs.items()}
    return [key for key, (broken, whole) in shapes.items() if broken != whole]


def mend(key: str, line: object, config: OMGConfig) -> Verdict:
    """Run an exhibit with another line, given as text, and say whether it is repaired. Its value alone will do.

    >>> mend("text", 'mode = "optimistic" if flag == "True" else "conservative"', OMGConfig(n_agents=2, batch_size=1))
    Repaired: with False, of 240 choices 0 take the highest value and 240 the lowest.
    """
    one = exhibit(key)
    line = line.strip() if isinstance(line, str) else line  # in a cell it has a line of its own between the quotes
    known = f"names that you can use: {', '.join(one.names(config))}"
    if line is ... or line == one.blank:
        return Verdict("open", "Not answered yet: complete the line in place of the dots.", (known,))
    if not isinstance(line, str):
        return Verdict("wrong", f"Not yet: the line is asked for as text, this is a {type(line).__name__}.", guess=line)
    outcome = run(one, one.whole(line), config)
    verdict = judge_outcome(outcome)
    more = [known] if "stops with NameError" in verdict.said else []
    if not outcome.holds:
        more += _another_shape(outcome, config)
    return replace(verdict, guess=line, axes=(*verdict.axes, *more))


def _another_shape(outcome: Outcome, config: OMGConfig) -> list[str]:
    """A hint where what the line assigns has not the shape that it has in the repair."""
    name = outcome.exhibit.wrong.partition(" = ")[0]
    mine, right = outcome.names.get(name), repair(outcome.exhibit.key, config).names.get(name)
    if mine is None or not isinstance(right, Tensor) or getattr(mine, "shape", None) == right.shape:
        return []
    return [f"{name} could be {list(right.shape)}"]

"""What the seat puzzle knows and does, without Jupyter: a sample of labels, an answer, and the verdict."""

from __future__ import annotations

from collections.abc import Callable

from tensordict import TensorDict

from omg_lib.checks import Verdict
from omg_lib.config import ConfigError
from omg_lib.lessons.regroup_answers import ANSWERS, judge, labelled
from omg_lib.plots.seats import seats_svg

AGENTS = range(2, 7)
GROUPS, STEPS = 2, 3


class SeatModel:
    """The seat puzzle without its view.

    `choose(answer=, n_agents=, shuffled=)` changes what is given and draws anew; `answer` is a key of ANSWERS, or None
    for the sample alone. State: `answer`, `n_agents`, `shuffled`, `sample` (labels), `verdict`, `picture` (SVG) and
    `tried`, the keys chosen so far. ConfigError, one sentence, for what is not allowed; then nothing changes.
    """

    def __init__(self, n_agents: int = 4) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.tried: list[int] = []
        self.answer, self.n_agents, self.shuffled = None, 4, False
        self.choose(n_agents=n_agents)

    def listen(self, listener: Callable[[], None]) -> None:
        """`listener()` is called after every change."""
        self._listeners.append(listener)

    def refuse(self, error: ConfigError) -> None:
        """Say what is not allowed; sample and picture stay."""
        self.verdict = Verdict("wrong", str(error))
        self._tell()

    def choose(self, **given: object) -> None:
        now = dict(answer=self.answer, n_agents=self.n_agents, shuffled=self.shuffled)
        for name in given:
            if name not in now:
                raise ConfigError("seat puzzle", name, f"allowed are {', '.join(now)}")
        now |= given
        if now["n_agents"] not in AGENTS:
            raise ConfigError("n_agents", now["n_agents"], f"the puzzle allows {AGENTS.start} to {AGENTS.stop - 1}")
        if now["answer"] is not None and now["answer"] not in ANSWERS:
            raise ConfigError("answer", now["answer"], f"allowed are {', '.join(map(str, ANSWERS))}")
        self.answer, self.n_agents, self.shuffled = now["answer"], now["n_agents"], bool(now["shuffled"])
        if self.answer is not None and self.answer not in self.tried:
            self.tried.append(self.answer)
        self._apply()
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _apply(self) -> None:
        self.sample: TensorDict = labelled(GROUPS, self.n_agents, STEPS, self.shuffled)
        if self.answer is None:
            self.verdict = Verdict("open", "Choose an answer.")
            self.picture = seats_svg(self.sample)
            return
        result = ANSWERS[self.answer].apply(self.sample["obs"], self.sample["seat"])
        self.verdict = judge(result, self.sample)
        self.picture = seats_svg(self.sample, result)

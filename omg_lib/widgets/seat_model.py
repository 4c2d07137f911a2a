"""The seat puzzle without Jupyter: a sample of labels, an answer, and the verdict."""

from __future__ import annotations

from collections.abc import Callable

from tensordict import TensorDict

from omg_lib.checks import Verdict
from omg_lib.config import ConfigError
from omg_lib.lessons.regroup_answers import ANSWERS, judge, labelled
from omg_lib.plots.seats import seats_svg
from omg_lib.words import N_, _, listing

AGENTS = range(2, 7)
GROUPS, STEPS = 2, 3
PREDICTED = (N_("shape"), N_("seats"))


class SeatModel:
    """The seat puzzle without its view.

    `choose(answer=, n_agents=, shuffled=)` changes the given values and redraws; `answer` is a key of ANSWERS, or None
    for the sample alone. `expect(shape=, seats=)` predicts whether they will be right (True, False, None for no
    prediction); the next chosen answer settles it. State: `answer`, `n_agents`, `shuffled`, `sample` (labels),
    `verdict`, `picture` (SVG), `tried` (keys chosen so far), `expected`, and `held` (the outcome of the latest
    prediction). An invalid argument raises ConfigError, one sentence, and changes nothing.
    """

    def __init__(self, n_agents: int = 4) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.tried: list[int] = []
        self.expected: dict[str, bool | None] = dict.fromkeys(PREDICTED)
        self.held, self._settled = "", []
        self.answer, self.n_agents, self.shuffled = None, 4, False
        self.choose(n_agents=n_agents)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change."""
        self._listeners.append(listener)

    def refuse(self, error: ConfigError) -> None:
        """Show the error as the verdict; sample and picture stay."""
        self.verdict = Verdict("wrong", str(error))
        self._tell()

    def expect(self, **expected: bool | None) -> None:
        """Predict whether the shape and the seats of the next chosen answer will be right."""
        for name, value in expected.items():
            if name not in PREDICTED or value not in (True, False, None):
                raise ConfigError(
                    "prediction",
                    f"{name}={value}",
                    _("allowed are shape and seats, each True, False or None"),
                )
        self.expected |= expected
        self._tell()

    def choose(self, **given: object) -> None:
        now = dict(answer=self.answer, n_agents=self.n_agents, shuffled=self.shuffled)
        for name in given:
            if name not in now:
                raise ConfigError(_("seat puzzle"), name, _("allowed are {names}").format(names=listing(now)))
        now |= given
        if now["n_agents"] not in AGENTS:
            raise ConfigError(
                "n_agents",
                now["n_agents"],
                _("the puzzle allows {start} to {stop}").format(start=AGENTS.start, stop=AGENTS.stop - 1),
            )
        if now["answer"] is not None and now["answer"] not in ANSWERS:
            raise ConfigError(
                "answer", now["answer"], _("allowed are {names}").format(names=listing(ANSWERS))
            )
        another = now["answer"] != self.answer
        self.answer, self.n_agents, self.shuffled = now["answer"], now["n_agents"], bool(now["shuffled"])
        if self.answer is not None and self.answer not in self.tried:
            self.tried.append(self.answer)
        self._apply()
        if another:
            self._settle()
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _apply(self) -> None:
        self.sample: TensorDict = labelled(GROUPS, self.n_agents, STEPS, self.shuffled)
        if self.answer is None:
            self.verdict = Verdict("open", _("Choose an answer."))
            self.picture = seats_svg(self.sample)
            return
        result = ANSWERS[self.answer].apply(self.sample["obs"], self.sample["seat"])
        self.verdict = judge(result, self.sample)
        self.picture = seats_svg(self.sample, result)

    def _settle(self) -> None:
        """Compare the prediction with the chosen answer's result, then clear it for the next one."""
        self.held, said = "", []
        if self.answer is None:
            return
        result = ANSWERS[self.answer].apply(self.sample["obs"], self.sample["seat"])
        wanted = (GROUPS, STEPS, self.n_agents, self.sample["obs"].shape[-1])
        truth = {"shape": tuple(result.shape) == wanted, "seats": self.verdict.ok}
        for name, expected in self.expected.items():
            if expected is not None:
                self._settled.append(expected == truth[name])
                word = _("right") if expected else _("wrong")
                held = (
                    _("{name} {word}, which held")
                    if expected == truth[name]
                    else _("{name} {word}, which did not hold")
                )
                said.append(held.format(name=_(name), word=word))
        if said:
            self.held = _("You predicted: {said}. {held} of {all} so far.").format(
                said=listing(said, "; "), held=sum(self._settled), all=len(self._settled)
            )
        self.expected = dict.fromkeys(PREDICTED)

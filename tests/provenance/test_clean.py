"""No false alarm: learners that nobody has broken."""

import pytest

from tests.helpers.provenance.cases import EPYMARL, OURS, followed, ours, plain
from tests.helpers.provenance.cases import PYMARL as PYMARL_LEARNERS
from tests.helpers.provenance.peers import EPYMARL as EPYMARL_CHECKOUT
from tests.helpers.provenance.peers import PYMARL, build, needs_epymarl, needs_pymarl


def clean(found):
    assert found.verdict is None, str(found.verdict)
    assert found.unknown == []
    assert {join.kind for join in found.joins} >= {"same place", "earlier steps", "next step"}


@pytest.mark.parametrize("seed", range(3))
def test_the_plain_loop_is_clean(seed):
    clean(followed(plain(seed=seed)))


@pytest.mark.slow
@pytest.mark.parametrize("learner", OURS)
def test_our_learners_are_clean(learner):
    clean(followed(ours(learner), OURS[learner]))


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "vdn"])
def test_returns_of_several_steps_need_their_policy(learner):
    case = ours(learner, td_steps=3)
    clean(followed(case, "returns"))
    assert followed(case, OURS[learner]).verdict.kind == "time"


@needs_pymarl
@pytest.mark.parametrize("learner", PYMARL_LEARNERS)
def test_pymarl_is_clean(learner):
    settings, policy = PYMARL_LEARNERS[learner]
    found = followed(build(PYMARL, **settings), policy)
    assert found.verdict is None, str(found.verdict)
    assert found.unknown == []


@needs_epymarl
@pytest.mark.parametrize("learner", EPYMARL)
def test_epymarl_is_clean(learner):
    settings, policy = EPYMARL[learner]
    found = followed(build(EPYMARL_CHECKOUT, **settings), policy)
    assert found.verdict is None, str(found.verdict)
    assert found.unknown == []


@needs_pymarl
@pytest.mark.parametrize("mixer", ["vdn", "qmix"])
def test_a_mixer_is_no_independent_learner(mixer):
    found = followed(build(PYMARL, mixer=mixer), "independent")
    assert found.verdict.kind == "seat"
    assert f"modules/mixers/{mixer}.py" in found.verdict.lines[0][0]

"""`run.explain(episode)`: what it shows is what acted and what an update computes."""

import pytest
import torch

import omg_lib as omg
from omg_lib.learners.omg import OMGLearner
from omg_lib.seeds import TEST_EPISODES
from tests.helpers.batches import echo_registered, quick_config, short_pretraining


@pytest.fixture(autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


def trained(learner, **changes):
    run = omg.Training(quick_config(learner, updates=2, n_agents=3, **changes))
    list(run)
    return run


@pytest.mark.parametrize("learner", ["iql", "vdn", "qmix", "omg", "naive_om", "liam", "iql_actions", "oracle"])
def test_the_greedy_actions_are_those_that_were_played(learner):
    with trained(learner) as run:
        for number in range(3):
            told = run.explain(number)
            T, A = told.batch_size
            assert A == 3 and told.names == ["t", "a"] and told["q"].shape == (T, A, run.env.info.n_actions)
            assert told["learns"].sum(1).tolist() == [1 if run.config.has_teammates else A] * T
            if run.config.has_teammates:
                assert told["learns"][:, (TEST_EPISODES + number) % A].all()
            acted = told["learns"] & (torch.arange(T) < T - 1)[:, None]
            assert torch.equal(told["greedy"][acted], told["action"][acted]) and acted.any()
            mean = (told["q"] * told["available"]).sum(-1) / told["available"].sum(-1).clamp(min=1)
            assert torch.allclose(told["v"], mean) and told["hidden"].shape == (T, A, run.config.rnn_hidden_dim)
            assert ("inferred" in told.keys()) == (run.controller.model is not None)


@pytest.mark.parametrize("mode", ["optimistic", "conservative"])
def test_the_chosen_subgoal_is_the_best_of_a_future_that_exists(mode):
    with trained("omg", subgoal_mode=mode, horizon=3) as run:
        assert isinstance(run.learner, OMGLearner)
        told = run.explain()
        T, A = told.batch_size
        values, chosen = told["candidate_values"], told["chosen"]
        best = values.argmax(-1) if mode == "optimistic" else values.argmin(-1)
        last = T - 1
        for t in range(last):
            wanted = torch.minimum(best[t] + 1, torch.tensor(last - t))
            assert torch.equal(chosen[t], wanted)
        assert not chosen[last].any()
        embedded, _ = run.learner.prior(told["obs"])
        for t in range(last):
            for a in range(A):
                assert torch.allclose(told["chosen_subgoal"][t, a], embedded[t + chosen[t, a], a], atol=1e-6)


def test_an_episode_that_was_played_is_explained_and_training_is_not_disturbed():
    def rest(explained):
        with omg.Training(quick_config("omg", updates=3)) as run:
            updates = iter(run)
            next(updates)
            if explained:
                run.explain(run.runner.run(test_mode=True))
                run.runner.test_episode = 0
                run.explain(7)
            return [report.metrics["loss"] for report in updates]

    assert rest(True) == rest(False)
    with trained("iql") as run, pytest.raises(omg.ConfigError, match="episode=-1"):
        run.explain(-1)

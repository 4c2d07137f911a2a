"""The learner's loss, computed from its parts with the library's own functions: the same number."""

import pytest
import torch

from omg_lib.episodes import masked_mean
from omg_lib.lessons.assignments import real_loss
from omg_lib.lessons.assignments.real_loss import beside_learner
from omg_lib.subgoals import gaussian_kl
from omg_lib.training import Training


def loss(obs, rebuilt, mu, log_var, goal_mu, goal_log_var, last, weight):
    scored = torch.arange(obs.shape[1]).reshape(1, -1, 1) < last.unsqueeze(1)
    error = masked_mean(((rebuilt - obs) ** 2).mean(dim=3), scored)
    return error + weight * masked_mean(gaussian_kl(mu, log_var, goal_mu, goal_log_var), scored)


def without_kl(*arguments):
    return loss(*arguments[:-1], 0.0)


def unanswered(*_):
    raise NotImplementedError


@pytest.mark.slow
def test_right_wrong_unanswered_and_broken(monkeypatch):
    with Training(real_loss.SMALL) as run:
        list(run)
        found = real_loss.terms(run)
    monkeypatch.setattr(real_loss, "terms", lambda run: found)  # one training is enough
    monkeypatch.setattr(Training, "__iter__", lambda run: iter(()))
    verdicts = [beside_learner(one) for one in (loss, without_kl, unanswered, lambda: 0)]
    assert [verdict.state for verdict in verdicts] == ["right", "wrong", "open", "wrong"]

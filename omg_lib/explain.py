"""What a learner thinks at each step of an episode: Q, V, subgoals and hidden states, by name."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from torch import Tensor

from omg_lib.episodes import EpisodeBatch, living
from omg_lib.learners.omg import OMGLearner
from omg_lib.learners.q_learner import QLearner, Steps
from omg_lib.networks import greedy
from omg_lib.subgoals import last_step, mean_available
from omg_lib.words import _


@torch.no_grad()
def explain(learner: QLearner, episode: EpisodeBatch) -> TensorDict:
    """Return what the learner computes at the T filled rows of one episode, [1, L+1, ...], from each of the A seats.

    It uses the current networks, without exploration or noise, as in a test. The batch size is [T, A], with the names t
    and a.

    | field | shape | meaning |
    |---|---|---|
    | learns | [T, A] | whether the learner sits there; in teammates' seats the values are what it would think |
    | obs, available, action | [T, A, O], [T, A, C], [T, A] | what it saw, could do, did (not in the last row) |
    | q, v | [T, A, C], [T, A] | value of each action, and their mean over the available ones |
    | greedy | [T, A] | the best available action |
    | hidden | [T, A, H] | the agent's recurrent state after it read the step |
    | inferred | [T, A, W] | what the opponent model tells the agent; for OMG the inferred subgoal g^ |
    | candidate_values | [T, A, H] | OMG: V(s, g) of the candidate subgoals; 0 where there is no future |
    | chosen | [T, A] | OMG: the candidate g-, 1 to H steps ahead, while the seat is alive; 0 if there is none |
    | chosen_subgoal | [T, A, Z] | OMG: the prior's mean of that state |

    ValueError for more than one episode.
    """
    if episode.batch_size[0] != 1:
        raise ValueError(_("episode holds {n} episodes, allowed is 1").format(n=episode.batch_size[0]))
    batch = episode[:, : episode.max_t_filled()].exclude("seat").to(learner.device)
    steps = learner.read(batch)
    rows = steps.rows
    fields, goal = {}, None
    if isinstance(learner, OMGLearner):
        inferred = learner.infer(steps, torch.zeros(len(steps.obs), learner.config.subgoal_dim, device=learner.device))
        fields, goal = _subgoals(learner, batch, steps, inferred.mu), inferred.mu
    elif learner.controller.model is not None:
        model = learner.controller.model
        goal = model.agent_input(steps.seen, model.unroll(steps.seen, rows))
    online, __ = learner.q_values(steps, learner.controller.init_hidden(1)["hidden"], goal)
    fields |= {
        "obs": steps.obs,
        "available": steps.avail_actions,
        "action": steps.actions,
        "q": online["q"],
        "v": mean_available(online["q"], steps.avail_actions),
        "greedy": greedy(online["q"], steps.avail_actions),
        "hidden": online["hidden"],
    }
    if goal is not None:
        fields["inferred"] = goal
    told = {name: rows.unpack(x)[0].cpu() for name, x in fields.items()}
    told["learns"] = torch.ones(rows.shape[1:], dtype=torch.bool)
    if "seat" in episode.keys():
        told["learns"] = torch.arange(rows.shape[2]).expand(rows.shape[1:]) == episode["seat"][0, 0, 0].cpu()
    return TensorDict(told, batch_size=rows.shape[1:], names=["t", "a"])


def _subgoals(learner: OMGLearner, batch: TensorDict, steps: Steps, goal: Tensor) -> dict[str, Tensor]:
    """Return the g- that the update would choose, packed."""
    rows = steps.rows
    last = last_step(living(batch, learner.controller.info))
    mu, __ = learner.prior(steps.obs)
    end = last[rows.b, rows.a]
    scored = rows.t < end
    values = learner.score(steps, goal, mu, end, scored)
    chosen = learner.choose(values, rows.pack(learner.draw_noise(steps)["pick"]))
    ahead = torch.minimum(rows.t + 1 + chosen, end)
    return {
        "candidate_values": values,
        "chosen": torch.where(scored, ahead - rows.t, 0),
        "chosen_subgoal": rows.unpack(mu)[rows.b, ahead, rows.a],
    }

"""Clean learners in two last styles: episodes as lists of their own length, and a long stream whose memory is reset."""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence, pad_sequence

GAMMA = 0.99


def lists(batch, net):
    """Policy gradients with a baseline: every episode is cut to its length, a recurrent critic reads packed states."""
    lengths = [int(n) - 1 for n in batch["filled"].sum((1, 2))]
    states = [batch["state"][e, :n] for e, n in enumerate(lengths)]
    line = pack_sequence(states, enforce_sorted=False)
    memory, _ = net.lstm(line)
    value, _ = pad_packed_sequence(net.worth_of(memory), batch_first=True)
    value = value.squeeze(-1)
    rewards = [batch["reward"][e, :n, 0] for e, n in enumerate(lengths)]
    togo = [r.sum(0, keepdim=True) - r.cumsum(0) + r for r in rewards]
    togo = pad_sequence(togo, batch_first=True)
    exists = pad_sequence([torch.ones(n) for n in lengths], batch_first=True)
    log_pi = net.policy(batch["obs"]).log_softmax(-1)
    log_pi = log_pi.gather(-1, batch["actions"]).squeeze(-1).sum(-1)
    log_pi = pad_sequence([log_pi[e, :n] for e, n in enumerate(lengths)], batch_first=True)
    advantage = togo - value.detach()
    actor = -(log_pi * advantage * exists).sum()
    critic = ((value - togo) * exists).pow(2).sum()
    return actor + critic


def stream(batch, net):
    """All episodes of all seats one after another, as a long stream: the memory is reset at each first step."""
    obs, acts = batch["obs"].transpose(1, 2).flatten(0, 1), batch["actions"].transpose(1, 2).flatten(0, 1)
    agents = batch["obs"].shape[2]
    reward = batch["reward"].repeat_interleave(agents, 0).flatten()
    ended = batch["terminated"].repeat_interleave(agents, 0).flatten()
    filled = batch["filled"].repeat_interleave(agents, 0).flatten()
    rows, steps = obs.shape[:2]
    first = torch.zeros(rows, steps, dtype=torch.bool)
    first[:, 0] = True
    x, first = obs.flatten(0, 1), first.flatten()
    hidden, cell, out = torch.zeros(1, 8), torch.zeros(1, 8), []
    for t in range(len(x)):
        if first[t]:
            hidden, cell = torch.zeros(1, 8), torch.zeros(1, 8)
        hidden, cell = net.cell(x[t : t + 1], (hidden, cell))
        out.append(net.head(hidden))
    q = torch.cat(out)
    chosen = q.gather(1, acts.flatten(0, 1)).squeeze(1)
    free = batch["avail_actions"].transpose(1, 2).flatten(0, 2)
    best = q.detach().where(free, torch.tensor(-1e9)).amax(1)
    ahead = torch.empty_like(best)
    ahead[:-1] = best[1:]
    ahead[-1] = 0
    target = reward.addcmul(ahead, (~ended).float(), value=GAMMA)
    last = torch.zeros(rows, steps, dtype=torch.bool)
    last[:, -1] = True
    keep = filled.roll(-1) & ~last.flatten()
    return functional.huber_loss(chosen[keep], target[keep], reduction="sum")


class Last(nn.Module):
    """The parts of both."""

    def __init__(self, inputs, state, actions):
        super().__init__()
        self.policy, self.head, self.worth = nn.Linear(inputs, actions), nn.Linear(8, actions), nn.Linear(8, 1)
        self.lstm, self.cell = nn.LSTM(state, 8), nn.LSTMCell(inputs, 8)

    def worth_of(self, memory):
        return memory._replace(data=self.worth(memory.data))


LAST = {"lists": (lists, "returns"), "stream": (stream, "independent")}
"""Each learner, and the policy that it needs."""

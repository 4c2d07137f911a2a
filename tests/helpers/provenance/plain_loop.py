"""A learner as a student writes it: plain PyTorch, a sample of seats regrouped, one step of temporal differences."""

import torch
from torch import nn
from torch.nn import functional

GAMMA = 0.99


class Net(nn.Module):
    """Q values of whole sequences, [T, N, I] to [T, N, C]."""

    def __init__(self, inputs, actions, hidden=16):
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.rnn = nn.GRU(hidden, hidden)
        self.last = nn.Linear(hidden, actions)

    def forward(self, x, memory=None):
        x = torch.relu(self.first(x))
        memory_of_all_steps, _ = self.rnn(x, memory)
        return self.last(memory_of_all_steps)


def update(batch, seat, net, target):
    """One loss of a batch [E, T, ...] in which episode e was played by the learner in seat[e]."""
    episodes, steps, agents, actions = batch["avail_actions"].shape
    groups = episodes // agents
    rows = seat.argsort(stable=True).reshape(agents, groups).T
    own = torch.arange(agents)
    # slot a of a group is seat a, from the episode in which it learnt: [G, A, T, ...]
    obs = batch["obs"][rows, :, own]
    acts = batch["actions"][rows, :, own].squeeze(-1)
    avail = batch["avail_actions"][rows, :, own]
    reward = batch["reward"][rows].squeeze(-1)
    ended = batch["terminated"][rows].squeeze(-1).float()
    filled = batch["filled"][rows].squeeze(-1)
    # what the network reads: the observation, the last action, the seat
    before = torch.cat([torch.zeros_like(acts[..., :1]), acts[..., :-1]], dim=-1)
    last = functional.one_hot(before, actions).float()
    ident = torch.eye(agents)[None, :, None].expand(groups, agents, steps, agents)
    x = torch.cat([obs, last, ident], dim=-1)
    x = x.flatten(0, 1).transpose(0, 1)
    # sequences, time first: [T, N, ...]
    acts, avail = acts.flatten(0, 1).T, avail.flatten(0, 1).transpose(0, 1)
    reward, ended = reward.flatten(0, 1).T, ended.flatten(0, 1).T
    filled = filled.flatten(0, 1).T
    q = net(x)
    with torch.no_grad():
        q_target = target(x)
        best = q[1:].masked_fill(~avail[1:], -torch.inf).argmax(dim=-1, keepdim=True)
        ahead = q_target[1:].gather(-1, best).squeeze(-1)
        y = reward[:-1] + GAMMA * (1 - ended[:-1]) * ahead
    chosen = q[:-1].gather(-1, acts[:-1].unsqueeze(-1)).squeeze(-1)
    mask = filled[1:].float()
    error = (chosen - y) * mask
    loss = (error**2).sum() / mask.sum()
    loss.backward()
    return loss

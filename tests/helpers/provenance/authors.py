"""Clean learners in four styles more: flat transitions, cells with einops, clipped policies, a mixer by products."""

import torch
from einops import rearrange, reduce, repeat
from torch import nn
from torch.nn import functional

GAMMA = 0.99


def transitions(batch, net):
    """A dueling network with two heads learns from a flat, shuffled table of transitions, in two minibatches."""
    each, own = torch.arange(len(batch["seat"])), batch["seat"][:, 0, 0]
    obs, avail = batch["obs"][each, :, own], batch["avail_actions"][each, :, own]
    act = batch["actions"][each, :, own]
    exists = batch["filled"][:, 1:, 0]
    now, then = obs[:, :-1][exists], obs[:, 1:][exists]
    done = act[:, :-1][exists]
    may = avail[:, 1:][exists]
    gain = batch["reward"][:, :-1][exists]
    over = batch["terminated"][:, :-1][exists]
    order = torch.randperm(len(now))
    now, then, done, may, gain, over = (x[order] for x in (now, then, done, may, gain, over))
    loss = 0.0
    for part in torch.arange(len(now)).chunk(2):
        one, two = net(now[part])
        with torch.no_grad():
            next_one, next_two = net(then[part])
            least = torch.minimum(next_one, next_two)
            least = torch.where(may[part], least, torch.full_like(least, -1e9))
            best = least.max(dim=1, keepdim=True)[0]
            target = torch.addcmul(gain[part], best, (~over[part]).float(), value=GAMMA)
        for q in (one, two):
            loss = loss + functional.huber_loss(q.gather(1, done[part]), target)
    return loss


def cells(batch, net):
    """Every seat for itself, a cell step by step; what was done next is the bootstrap (Sarsa)."""
    steps, agents, count = batch["obs"].shape[1], batch["obs"].shape[2], batch["avail_actions"].shape[3]
    obs = rearrange(batch["obs"], "e t a o -> t (e a) o")
    acts = rearrange(batch["actions"], "e t a 1 -> t (e a)")
    reward = repeat(batch["reward"], "e t 1 -> t (e a)", a=agents)
    alive = repeat(~batch["terminated"], "e t 1 -> t (e a)", a=agents)
    filled = repeat(batch["filled"], "e t 1 -> t (e a)", a=agents).float()
    memory, values = torch.zeros(obs.shape[1], 8), []
    for t in range(steps):
        last = torch.eye(count)[acts[t - 1]] if t else torch.zeros(obs.shape[1], count)
        memory = net.cell(torch.hstack([obs[t], last]), memory)
        values.append(net.last(memory))
    q = torch.stack(values)
    chosen = q[torch.arange(steps)[:, None], torch.arange(obs.shape[1]), acts]
    ahead = chosen.detach()[1:]
    error = chosen[:-1] - torch.lerp(reward[:-1], reward[:-1] + ahead, GAMMA * alive[:-1].float())
    return torch.einsum("tn,tn->", error.pow(2), filled[1:]) / filled[1:].sum()


def clipped(batch, net):
    """Proximal policies of all seats: advantages by a backward loop, standardised; the critic reads the state."""
    logits = net.last(torch.tanh(net.first(batch["obs"])))
    logits = logits.masked_fill(batch["avail_actions"].logical_not(), -1e10)
    log_pi = torch.distributions.Categorical(logits=logits).log_prob(batch["actions"].squeeze(-1))
    value = net.critic(batch["state"]).squeeze(-1)
    old, guess = log_pi.detach() - 0.01, value.detach()
    reward, going = batch["reward"].squeeze(-1), 1.0 - batch["terminated"].squeeze(-1).float()
    real = batch["filled"].squeeze(-1)[:, 1:].float()
    total, advantages = torch.zeros(len(reward)), []
    for t in range(reward.shape[1] - 2, -1, -1):
        delta = reward[:, t] + GAMMA * going[:, t] * guess[:, t + 1] - guess[:, t]
        total = delta + GAMMA * 0.95 * going[:, t] * total
        advantages.append(total)
    advantage = torch.vstack(advantages[::-1]).swapaxes(0, 1)
    returns = advantage + guess[:, :-1]
    centre = (advantage * real).sum() / real.sum()
    spread = (((advantage - centre) ** 2 * real).sum() / real.sum()).sqrt()
    weight = repeat((advantage - centre) / (spread + 1e-5), "e t -> e t a", a=logits.shape[2])
    ratio = (log_pi - old)[:, :-1].exp()
    gain = torch.min(ratio * weight, ratio.clamp(0.8, 1.2) * weight)
    actor = -reduce(gain * real.unsqueeze(2), "e t a -> ", "sum")
    return actor + (value[:, :-1] - returns).square().mul(real).sum()


def mixing(batch, net):
    """A monotone mixer: weights of the seats' values are made of the state, and multiplied in one batch."""
    advantage = net.last(torch.relu(net.first(batch["obs"])))
    q = advantage - advantage.mean(-1, keepdim=True)
    episodes, steps, agents, _ = q.shape
    chosen = q.gather(3, batch["actions"]).movedim(3, 2)
    best = q.detach().masked_fill(~batch["avail_actions"], -99.0).max(3).values.unsqueeze(2)
    weights = net.hyper(batch["state"]).abs().view(episodes * steps, agents, 4)
    final, offset = net.out(batch["state"]).split([4, 1], dim=-1)

    def mix(x):
        x = functional.elu(torch.bmm(x.reshape(-1, 1, agents), weights))
        x = x.view(episodes, steps, 4).mul(final.abs()).sum(-1, keepdim=True)
        return x + offset

    now, then = mix(chosen).narrow(1, 0, steps - 1), mix(best).narrow(1, 1, steps - 1).detach()
    ended = batch["terminated"].narrow(1, 0, steps - 1)
    target = batch["reward"].narrow(1, 0, steps - 1) + torch.where(ended, torch.zeros_like(then), GAMMA * then)
    real = batch["filled"].narrow(1, 1, steps - 1)
    return functional.mse_loss(now[real], target[real], reduction="sum")


class Dueling(nn.Module):
    """Two heads of [N, C] from [N, O]: each a value and advantages."""

    def __init__(self, inputs, state, actions):
        super().__init__()
        self.first, self.heads = nn.Linear(inputs, 8), nn.Linear(8, 2 * actions + 2)

    def forward(self, x):
        heads = self.heads(torch.relu(self.first(x))).chunk(2, dim=-1)
        return tuple(head[..., :1] + head[..., 1:] - head[..., 1:].mean(-1, keepdim=True) for head in heads)


class Parts(nn.Module):
    """The parts that the other three take."""

    def __init__(self, inputs, state, actions):
        super().__init__()
        self.cell, self.first = nn.GRUCell(inputs + actions, 8), nn.Linear(inputs, 8)
        self.last, self.critic = nn.Linear(8, actions), nn.Linear(state, 1)
        self.hyper, self.out = nn.Linear(state, 16), nn.Linear(state, 5)


AUTHORS = {
    "transitions": (transitions, Dueling, "independent"),
    "cells": (cells, Parts, "independent"),
    "clipped": (clipped, Parts, "returns"),
    "mixing": (mixing, Parts, "team"),
}
"""Each learner with its network, and the policy that it needs."""

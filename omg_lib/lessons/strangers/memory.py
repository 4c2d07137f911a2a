"""A stranger's recurrent learner: each episode has one learning seat."""

import torch


def update(batch, net):
    own = batch["seat"][:, 0, 0]
    each = torch.arange(len(own))
    obs = batch["obs"][each, :, own]
    act = batch["actions"][each, :, own]
    reward = batch["reward"].reshape(-1, len(own)).T
    q = net(obs)
    chosen = q[:, :-1].gather(-1, act[:, :-1]).squeeze(-1)
    ahead = q[:, 1:].amax(-1).detach()
    alive = 1 - batch["terminated"][:, :-1, 0].float()
    real = batch["filled"][:, 1:, 0].float()
    error = (chosen - (reward[:, :-1] + 0.99 * alive * ahead)) * real
    return (error**2).sum() / real.sum()

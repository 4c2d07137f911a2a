"""A stranger's actor-critic with returns: all seats share one reward."""

import torch


def update(batch, net):
    hidden = net.read(batch["obs"])
    log_pi = torch.log_softmax(net.last(hidden), dim=-1)
    taken = log_pi.gather(-1, batch["actions"]).squeeze(-1).sum(-1)
    value = hidden.mean(dim=(2, 3))
    real = batch["filled"][:, :-1, 0].float()
    gain, gains = torch.zeros(len(real)), []
    for t in reversed(range(real.shape[1])):
        gain = batch["reward"][:, t, 0] + 0.99 * gain
        gains.insert(0, gain)
    advantage = torch.stack(gains, dim=1) - value[:, :-1]
    actor = (-taken[:, :-1] * advantage.detach() * real).sum()
    return actor + (advantage**2 * real).sum()

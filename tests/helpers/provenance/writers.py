"""Clean learners in four more styles: buffers written step by step, packed sequences, attention, windows of returns."""

import torch
from torch import nn
from torch.nn import functional

GAMMA = 0.99


def buffers(batch, net):
    """TD(lambda) of every seat: values and returns are written into buffers, backwards."""
    obs, acts = batch["obs"], batch["actions"].squeeze(-1)
    episodes, steps, agents, width = obs.shape
    alive = 1 - batch["terminated"].float().squeeze(-1)
    real = batch["filled"].float().squeeze(-1)
    q = torch.zeros(*acts.shape, net.last.out_features)
    for t in range(steps):
        q[:, t] = net(obs[:, t])
    best = torch.where(batch["avail_actions"], q.detach(), -9.0).amax(-1)
    chosen = (q * functional.one_hot(acts, q.shape[-1])).sum(-1)
    returns = torch.zeros(episodes, steps, agents)
    for t in range(steps - 2, -1, -1):
        later = 0.2 * best[:, t + 1] + 0.8 * returns[:, t + 1]
        returns[:, t] = batch["reward"][:, t] + GAMMA * alive[:, t, None] * later
    error = torch.masked_select(chosen[:, :-1] - returns[:, :-1], real[:, 1:, None] > 0)
    return error.square().sum() / real[:, 1:].sum()


def packed(batch, net):
    """One recurrent learner in each episode: a list over episodes, stacked; sequences are packed."""
    seats = batch["seat"][:, 0, 0].tolist()
    obs = torch.stack([batch["obs"][e, :, seat] for e, seat in enumerate(seats)])
    acts = torch.stack([batch["actions"][e, :, seat] for e, seat in enumerate(seats)])
    avail = torch.stack([batch["avail_actions"][e, :, seat] for e, seat in enumerate(seats)])
    onehot = torch.zeros(avail.shape).scatter(-1, acts, 1.0)
    before = functional.pad(onehot, (0, 0, 1, 0))[:, :-1]
    x = torch.cat([obs, before], dim=-1)
    lengths = batch["filled"].sum((1, 2))
    line = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    memory, _ = nn.utils.rnn.pad_packed_sequence(net.rnn(line)[0], batch_first=True, total_length=x.shape[1])
    q = net.last(memory)
    chosen = torch.take_along_dim(q, acts, dim=-1)[:, :-1]
    ahead = (q.detach() + (avail.float() - 1) * 9).max(-1, keepdim=True).values
    alive = batch["terminated"].logical_not()
    target = batch["reward"] + GAMMA * alive * ahead.roll(-1, 1)
    error = functional.smooth_l1_loss(chosen, target[:, :-1], reduction="none")
    return (error * batch["filled"][:, 1:]).sum() / batch["filled"][:, 1:].sum()


def heads(batch, net):
    """A team whose seats attend to each other; the target is a functional call of old weights, mapped over episodes."""
    old = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    obs, acts = batch["obs"], batch["actions"]
    said = net.talk(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])
    q = net.last(said)
    q_old = torch.func.vmap(lambda x: torch.func.functional_call(net, old, (x,)))(obs)
    greedy = q.detach().masked_fill(~batch["avail_actions"], -9.0).argmax(-1, keepdim=True)
    chosen = q.gather(-1, acts)[:, :-1].sum(2)
    ahead = q_old.gather(-1, greedy)[:, 1:].sum(2)
    going = ~batch["terminated"][:, :-1]
    target = batch["reward"][:, :-1] + GAMMA * going * ahead
    return (((chosen - target) * batch["filled"][:, 1:]) ** 2).mean()


def windows(batch, net):
    """Returns of three steps, from windows of rewards; advantages are added up backwards, a policy learns from them."""
    n = 3
    hidden = torch.relu(net.first(batch["obs"]))
    log_pi = net.last(hidden).log_softmax(-1)
    logs = torch.einsum("etac,etac->et", log_pi, functional.one_hot(batch["actions"].squeeze(-1)).float())
    values = hidden.mean((2, 3))
    filled, ended = batch["filled"].squeeze(-1).float(), batch["terminated"].squeeze(-1).float()
    rewards = functional.pad(batch["reward"].squeeze(-1), (0, n - 1)).unfold(1, n, 1)
    sums = rewards @ GAMMA ** torch.arange(n)
    over = functional.pad(ended, (0, n - 1)).unfold(1, n, 1).sum(-1)
    ahead = functional.pad(values.detach(), (0, n))[:, n:]
    gain = sums + GAMMA**n * (1 - over) * ahead
    delta = batch["reward"][:, :-1, 0] + GAMMA * (1 - ended[:, :-1]) * values.detach()[:, 1:] - values.detach()[:, :-1]
    advantage = delta.flip(1).cumsum(1).flip(1)
    mask = filled[:, 1:]
    actor = -(logs[:, :-1] * advantage * mask).sum()
    return actor + ((values - gain)[:, :-1] * mask).square().sum()


class Talk(nn.Module):
    """Values of seats [..., A, O] that attend to each other, to [..., A, C]."""

    def __init__(self, inputs, actions):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 8), nn.Linear(8, actions)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def talk(self, x):
        x = torch.relu(self.first(x))
        return self.attention(x, x, x, need_weights=False)[0]

    def forward(self, x):
        return self.last(self.talk(x))


class Plain(nn.Module):
    """Values without a memory."""

    def __init__(self, inputs, actions):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 8), nn.Linear(8, actions)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


class Packed(nn.Module):
    """The parts of a recurrent learner that reads its last action."""

    def __init__(self, inputs, actions):
        super().__init__()
        self.rnn, self.last = nn.GRU(inputs + actions, 8, batch_first=True), nn.Linear(8, actions)


WRITERS = {
    "buffers": (buffers, Plain, "returns"),
    "packed": (packed, Packed, "independent"),
    "heads": (heads, Talk, "team"),
    "windows": (windows, Plain, "returns"),
}
"""Each learner with its network, and the policy that it needs."""

"""Clean learners in six more styles: mixers over whole sequences, lambda returns, minibatches, joint critics, attention
over time, and rewards that are rescaled as they come.
"""

import einops
import torch
from torch import nn
from torch.nn import functional

GAMMA, LAMBDA = 0.99, 0.9


def sequences(batch, net):
    """A recurrent team: one GRU call over [E A, T], double Q values, a mixer whose weights the state makes."""
    obs, acts, avail = batch["obs"], batch["actions"], batch["avail_actions"]
    episodes, steps, agents, count = avail.shape
    before = functional.one_hot(acts.squeeze(-1), count).float()
    before = torch.cat((torch.zeros_like(before[:, :1]), before[:, :-1]), dim=1)
    who = torch.eye(agents).expand(episodes, steps, agents, agents)
    x = torch.cat((obs, before, who), dim=-1)
    x = x.permute(0, 2, 1, 3).reshape(episodes * agents, steps, -1)
    memory, _ = net.gru(net.norm(net.inputs(x)))
    q = net.head(memory).reshape(episodes, agents, steps, count)
    q = q.permute(0, 2, 1, 3)
    with torch.no_grad():
        q_old = q.detach() * 0.9
        free = q.detach().masked_fill(avail == 0, -torch.inf)
        best = free[:, 1:].argmax(dim=-1, keepdim=True)
        ahead = torch.gather(q_old[:, 1:], -1, best).squeeze(-1)
    taken = torch.gather(q, -1, acts).squeeze(-1)[:, :-1]
    state = batch["state"]
    total = net.mix(taken, state[:, :-1])
    total_ahead = net.mix(ahead, state[:, 1:]).detach()
    going = 1.0 - batch["terminated"][:, :-1, 0].float()
    target = batch["reward"][:, :-1, 0] + GAMMA * going * total_ahead
    mask = batch["filled"][:, 1:, 0].float()
    delta = (total - target) * mask
    return delta.pow(2).sum() / mask.sum()


def lambdas(batch, net):
    """Lambda returns of the team's sum, backwards in a list; dueling heads; the seats are nested lists."""
    obs, acts = batch["obs"], batch["actions"]
    episodes, steps, agents = obs.shape[:3]
    seats = [[obs[:, t, a] for t in range(steps)] for a in range(agents)]
    chosen, ahead = [], []
    for a in range(agents):
        rows = torch.stack(seats[a], dim=1)
        body = torch.relu(net.inputs(rows))
        scores = net.gain(body)
        q = net.worth(body) + scores - scores.mean(dim=-1, keepdim=True)
        pick = functional.one_hot(acts[:, :, a, 0], q.shape[-1])
        chosen.append((q * pick).sum(dim=-1))
        open_ = batch["avail_actions"][:, :, a]
        ahead.append(torch.where(open_, q.detach(), torch.tensor(-1e9)).max(dim=-1).values)
    chosen, ahead = sum(chosen), torch.stack(ahead).sum(dim=0)
    reward, ended = batch["reward"][..., 0], batch["terminated"][..., 0].float()
    last = ahead[:, -1]
    returns = []
    for t in reversed(range(steps - 1)):
        blend = (1 - LAMBDA) * ahead[:, t + 1] + LAMBDA * last
        last = reward[:, t] + GAMMA * (1 - ended[:, t]) * blend
        returns.append(last)
    returns.reverse()
    returns = torch.stack(returns, dim=1)
    real = batch["filled"][:, 1:, 0]
    loss = functional.smooth_l1_loss(chosen[:, :-1], returns, reduction="none")
    return loss.masked_fill(~real, 0.0).sum() / real.sum()


def minibatches(batch, net):
    """Proximal policies: advantages backwards, minibatches by a random order, gradients added over micro-batches."""
    steps, agents = batch["obs"].shape[1:3]
    value = net.critic(batch["state"]).squeeze(-1)
    reward, ended = batch["reward"].squeeze(-1), batch["terminated"].squeeze(-1).float()
    with torch.no_grad():
        guess = value.detach()
        advantages = torch.zeros_like(reward)
        running = torch.zeros(len(reward))
        for t in range(steps - 2, -1, -1):
            delta = reward[:, t] + GAMMA * (1 - ended[:, t]) * guess[:, t + 1] - guess[:, t]
            running = delta + GAMMA * LAMBDA * (1 - ended[:, t]) * running
            advantages[:, t] = running
        returns = advantages + guess
    keep = batch["filled"][:, 1:, 0].flatten()
    obs = batch["obs"][:, :-1].flatten(0, 1)[keep]
    acts = batch["actions"][:, :-1].flatten(0, 1)[keep]
    state = batch["state"][:, :-1].flatten(0, 1)[keep]
    gain = advantages[:, :-1].flatten()[keep]
    goal = returns[:, :-1].flatten()[keep]
    order = torch.randperm(len(obs))
    with torch.no_grad():
        old = net.policy(obs).log_softmax(-1).gather(-1, acts).squeeze(-1)
    for rows in order.split(16):
        log_pi = net.policy(obs[rows]).log_softmax(-1).gather(-1, acts[rows]).squeeze(-1)
        ratio = (log_pi - old[rows]).exp()
        weight = gain[rows].unsqueeze(-1).expand(-1, agents)
        actor = -torch.min(ratio * weight, ratio.clamp(0.8, 1.2) * weight).sum()
        error = net.critic(state[rows]).squeeze(-1) - goal[rows]
        loss = actor + 0.5 * error.square().sum()
        (loss / len(order)).backward()


def joint(batch, net):
    """One critic for each seat, which reads all observations and all actions; targets of a softened policy."""
    obs, acts = batch["obs"], batch["actions"].squeeze(-1)
    count = batch["avail_actions"].shape[-1]
    done = torch.nn.functional.one_hot(acts, num_classes=count).float()
    everything = obs.flatten(start_dim=2)
    would = torch.stack([net.actors[a](obs[:, :, a]).softmax(-1) for a in range(obs.shape[2])], dim=2)
    real = batch["filled"][:, 1:].squeeze(-1)
    going = batch["terminated"][:, :-1].logical_not().squeeze(-1)
    reward = batch["reward"][:, :-1].squeeze(-1)
    losses = []
    for critic in net.critics:
        now = critic(torch.cat([everything, done.flatten(2)], -1)).squeeze(-1)
        with torch.no_grad():
            then = critic(torch.cat([everything, would.flatten(2)], -1)).squeeze(-1)
            target = reward + GAMMA * then[:, 1:] * going
        error = now[:, :-1][real] - target[real]
        losses.append((error * error).mean())
    return torch.stack(losses).sum()


def looks(batch, net):
    """The learner's seat with attention over earlier steps; a table for rewards of two steps, from windows."""
    seat = batch["seat"][:, 0, 0]
    pick = lambda x: x[torch.arange(len(x)), :, seat]  # noqa: E731
    obs, acts, avail = pick(batch["obs"]), pick(batch["actions"]), pick(batch["avail_actions"])
    steps = obs.shape[1]
    past = torch.triu(torch.full((steps, steps), -torch.inf), diagonal=1)
    seen = net.encoder(net.inputs(obs), mask=past)
    q = net.head(seen)
    chosen = q.gather(2, acts).squeeze(2)
    value = q.detach().masked_fill(~avail, -1e8).amax(2)
    reward, over = batch["reward"].squeeze(2), batch["terminated"].squeeze(2).float()
    pairs = functional.pad(reward, (0, 1)).unfold(1, 2, 1)
    alive = 1 - over
    two = pairs[..., 0] + GAMMA * alive * pairs[..., 1]
    later = functional.pad(value, (0, 2)).as_strided(value.shape, (steps + 2, 1), 2)
    also = alive * functional.pad(alive, (0, 1))[:, 1:]
    target = two + GAMMA**2 * also * later
    real = batch["filled"].squeeze(2)[:, 1:]
    error = torch.zeros_like(target[:, :-1]).masked_scatter(real, (chosen - target)[:, :-1][real])
    return error.pow(2).sum()


def rescaled(batch, net):
    """Every seat's value by one mapped call for each seat's own weights; rewards and targets are rescaled."""
    obs, acts = batch["obs"], batch["actions"]
    own = [dict(part.named_parameters()) for part in net.parts]
    weights = {name: torch.stack([part[name] for part in own]) for name in own[0]}
    one = lambda w, x: torch.func.functional_call(net.parts[0], w, (x,))  # noqa: E731
    q = torch.func.vmap(one, in_dims=(0, 2), out_dims=2)(weights, obs)
    reward = batch["reward"]
    count = batch["filled"][:, 1:].sum()
    centre = (reward[:, :-1] * batch["filled"][:, 1:]).sum() / count
    spread = (((reward[:, :-1] - centre) * batch["filled"][:, 1:]) ** 2).sum().div(count).sqrt()
    reward = (reward[:, :-1] - centre) / (spread + 1e-6)
    scale, shift = torch.tensor(1.5), torch.tensor(0.2)
    with torch.no_grad():
        free = q.detach() + torch.where(batch["avail_actions"], 0.0, -1e9)
        ahead = free.max(-1).values[:, 1:] * scale + shift
        target = reward + GAMMA * batch["terminated"][:, :-1].logical_not() * ahead
        target = (target - shift) / scale
    chosen = einops.rearrange(torch.take_along_dim(q, acts, -1), "e t a 1 -> e t a")[:, :-1]
    rows, columns = torch.nonzero(batch["filled"][:, 1:, 0], as_tuple=True)
    return (chosen[rows, columns] - target[rows, columns]).abs().clamp(max=10.0).sum()


class School(nn.Module):
    """The parts of all six."""

    def __init__(self, inputs, state, actions, agents):
        super().__init__()
        self.inputs, self.norm = nn.Linear(inputs, 8), nn.LayerNorm(8)
        self.policy, self.critic = nn.Linear(inputs, actions), nn.Linear(state, 1)
        self.head, self.gain, self.worth = nn.Linear(8, actions), nn.Linear(8, actions), nn.Linear(8, 1)
        self.gru = nn.GRU(8, 8, batch_first=True)
        self.weights, self.offset = nn.Linear(state, agents), nn.Linear(state, 1)
        self.actors = nn.ModuleList(nn.Linear(inputs, actions) for _ in range(agents))
        self.critics = nn.ModuleList(nn.Linear(agents * (inputs + actions), 1) for _ in range(agents))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 1)
        self.parts = nn.ModuleList(nn.Linear(inputs, actions) for _ in range(agents))

    def mix(self, values, state):
        weights = self.weights(state).abs()
        return torch.matmul(values.unsqueeze(-2), weights.unsqueeze(-1)).flatten(1) + self.offset(state).squeeze(-1)


class Recurrent(School):
    """The same, whose first layer reads the last action and the seat as well."""

    def __init__(self, inputs, state, actions, agents):
        super().__init__(inputs, state, actions, agents)
        self.inputs = nn.Linear(inputs + actions + agents, 8)


SCHOOLS = {
    "sequences": (sequences, Recurrent, "team"),
    "lambdas": (lambdas, School, "returns"),
    "minibatches": (minibatches, School, "returns"),
    "joint": (joint, School, "team"),
    "looks": (looks, School, "returns"),
    "rescaled": (rescaled, School, "returns"),
}
"""Each learner with its network, and the policy that it needs."""

"""OMG and IQL again, as slow and plain as the equations: one sequence, one step, one vector at a time.

Written from the paper's equations (4 to 8), not from the library: weights are plain tensors by name, a GRU is its three
gates, and the optimisers are their formulas. Everything is a loop over groups, seats and time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def gru(w: Weights, name: str, x: Tensor, h: Tensor) -> Tensor:
    from_x = w[f"{name}.weight_ih_l0"] @ x + w[f"{name}.bias_ih_l0"]
    from_h = w[f"{name}.weight_hh_l0"] @ h + w[f"{name}.bias_hh_l0"]
    reset_x, update_x, new_x = from_x.chunk(3)
    reset_h, update_h, new_h = from_h.chunk(3)
    update = torch.sigmoid(update_x + update_h)
    new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
    return (1 - update) * new + update * h


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)


def hot(index: int | None, width: int) -> Tensor:
    x = torch.zeros(width)
    if index is not None:
        x[index] = 1
    return x


@dataclass
class Sequence:
    """The life of one learner's seat in one episode of n steps: n + 1 observations, n transitions."""

    seat: int
    obs: list[Tensor]
    avail: list[list[int]]
    everybody: list[list[int]]
    reward: list[float]
    ended: bool
    noise: list[Tensor]
    eta: list[float]

    @property
    def n(self) -> int:
        return len(self.reward)

    @property
    def last_living(self) -> int:
        return max([t for t, obs in enumerate(self.obs) if (obs != 0).any()], default=0)


@dataclass
class Result:
    """Sums over all sequences, and each step's result: (g, a, t) -> value."""

    td: list[Tensor] = field(default_factory=list)
    recon: list[Tensor] = field(default_factory=list)
    kl: list[Tensor] = field(default_factory=list)
    q: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    reached: dict = field(default_factory=dict)
    windows: dict = field(default_factory=dict)


class Reference:
    """The same weights as a learner's, and the same train step."""

    def __init__(self, learner, config, info) -> None:
        self.config, self.info = config, info
        self.weights = {
            name: {key: value.detach().clone() for key, value in module.named_parameters()}
            for name, module in learner.modules().items()
        }
        self.trained = ["agent", "inference"] if config.base == "omg" else ["agent"]
        for name in self.trained:
            for weight in self.weights[name].values():
                weight.requires_grad_(True)
        self.square = {key: torch.zeros_like(w) for key, w in self.weights["agent"].items()}
        self.moments = {
            key: (torch.zeros_like(w), torch.zeros_like(w)) for key, w in self.weights.get("inference", {}).items()
        }
        self.updates = 0

    # --- the data ---

    def sequences(self, sample, noise) -> dict[tuple[int, int], Sequence]:
        """Return (group, slot) -> sequence: seat a's g-th episode with teammates, else every seat of episode g."""
        found: dict[tuple[int, int], Sequence] = {}
        for e in range(sample.batch_size[0]):
            seats = [int(sample["seat"][e, 0, 0])] if "seat" in sample.keys() else range(self.info.n_agents)
            for a in seats:
                g = sum(1 for _, slot in found if slot == a)
                n = int(sample["filled"][e, :, 0].sum()) - 1
                found[g, a] = Sequence(
                    seat=a,
                    obs=[sample["obs"][e, t, a] for t in range(n + 1)],
                    avail=[sample["avail_actions"][e, t, a].nonzero()[:, 0].tolist() for t in range(n + 1)],
                    everybody=[sample["actions"][e, t, :, 0].tolist() for t in range(n)],
                    reward=[float(sample["reward"][e, t, 0]) for t in range(n)],
                    ended=bool(sample["terminated"][e, n - 1, 0]),
                    noise=[noise["cvae"][g, t, a] for t in range(n + 1)] if noise else [],
                    eta=[float(noise["eta"][g, t, a]) for t in range(n + 1)] if noise else [],
                )
        return found

    # --- the networks ---

    def agent_step(self, name: str, s: Sequence, t: int, g: Tensor | None, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return (Q(s_t, g, .), next hidden state)."""
        w = self.weights[name]
        own_last = s.everybody[t - 1][s.seat] if t else None
        x = [s.obs[t], hot(own_last, self.info.n_actions), hot(s.seat, self.info.n_agents)]
        first = torch.relu(linear(w, "fc1", torch.cat(x if g is None else [*x, g])))
        h = torch.relu(linear(w, "middle", first)) if self.config.network == "mlp" else gru(w, "rnn", first, h)
        q = linear(w, "fc2", h)
        if self.config.dueling:
            q = linear(w, "value", h) + q - q.mean()
        return q, h

    def prior(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        w = self.weights["prior"]
        x = leaky(linear(w, "encoder.2", leaky(linear(w, "encoder.0", obs))))
        return linear(w, "mu", x), linear(w, "log_var", x).clamp(-8, 4)

    def infer(self, s: Sequence) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Return mu, log variance, sampled g^ and reconstruction of every step."""
        w, context, out = self.weights["inference"], torch.zeros(self.config.context_dim), []
        for t in range(s.n + 1):
            pieces = [s.obs[t - 1] if t else torch.zeros(self.info.obs_dim)]
            for j in range(self.info.n_agents):
                pieces.append(hot(s.everybody[t - 1][j] if t and j != s.seat else None, self.info.n_actions))
            pieces.append(hot(s.everybody[t - 1][s.seat] if t else None, self.info.n_actions))
            context = gru(w, "rnn", torch.cat(pieces), context)
            hidden = torch.cat([torch.relu(linear(w, "fc", s.obs[t])), context])
            mu, log_var = linear(w, "mu", hidden), linear(w, "log_var", hidden).clamp(-8, 4)
            goal = mu + s.noise[t] * torch.exp(log_var / 2)
            decoded = torch.relu(linear(w, "decoder.0", torch.cat([goal, context])))
            out.append((mu, log_var, goal, linear(w, "decoder.2", decoded)))
        return out

    # --- the losses ---

    def subgoals(self, key, s: Sequence, mix: float, result: Result) -> list[Tensor]:
        """Apply Eq. 5 to 8 to one sequence; return g_t of every step."""
        inferred, last, goals = self.infer(s), s.last_living, []
        h = torch.zeros(self.config.rnn_hidden_dim)
        for t, (mu, log_var, goal, reconstructed) in enumerate(inferred):
            taken = goal
            if t < last:
                window = [min(t + k, last) for k in range(1, self.config.horizon + 1)]
                values = []
                for i in window:
                    q, _ = self.agent_step("agent", s, t, self.prior(s.obs[i])[0], h)
                    values.append(sum(q[c] for c in s.avail[t]) / len(s.avail[t]))
                values = torch.stack(values).detach()
                best = values.argmax() if self.config.subgoal_mode == "optimistic" else values.argmin()
                target_mu, target_log_var = self.prior(s.obs[window[int(best)]])
                if s.eta[t] <= mix:
                    taken = target_mu
                one = torch.distributions.Normal(mu, torch.exp(log_var / 2))
                other = torch.distributions.Normal(target_mu, torch.exp(target_log_var / 2))
                result.kl.append(torch.distributions.kl_divergence(one, other).sum())
                result.recon.append(((reconstructed - s.obs[t]) ** 2).mean())
                result.values[*key, t], result.reached[*key, t] = values, window[int(best)]
                result.windows[*key, t] = torch.stack([self.prior(s.obs[i])[0] for i in window])
            goals.append(taken.detach())
            _, h = self.agent_step("agent", s, t, goal.detach(), h)
        return goals

    def td(self, key, s: Sequence, goals: list[Tensor] | None, result: Result) -> None:
        """Apply Eq. 4 (or 2, without goals) to one sequence: double Q, target network, n-step returns."""
        g = goals or [None] * (s.n + 1)
        h = h_target = torch.zeros(self.config.rnn_hidden_dim)
        qs, bootstraps = [], []
        for t in range(s.n + 1):
            q, h_now = self.agent_step("agent", s, t, g[t], h)
            q_target, h_target_now = self.agent_step("target", s, t, g[t], h_target)
            result.q[*key, t] = q
            qs.append(q)
            if t:
                if goals and self.config.bootstrap_subgoal == "same":
                    q, _ = self.agent_step("agent", s, t, g[t - 1], h)
                    q_target, _ = self.agent_step("target", s, t, g[t - 1], h_target)
                best = max(s.avail[t], key=q.tolist().__getitem__)
                bootstraps.append(float(q_target[best]))  # of the transition t-1 -> t
            h, h_target = h_now, h_target_now
        for t in range(s.n):
            m = min(self.config.td_steps, s.n - t)
            target = sum(self.config.gamma**k * s.reward[t + k] for k in range(m))
            if not (s.ended and t + m == s.n):
                target += self.config.gamma**m * bootstraps[t + m - 1]
            result.td.append((qs[t][s.everybody[t][s.seat]] - target) ** 2)

    def losses(self, sample, noise=None, mix: float = 0.0) -> tuple[dict[str, Tensor], Result]:
        result = Result()
        for key, s in self.sequences(sample, noise).items():
            goals = self.subgoals(key, s, mix, result) if self.config.base == "omg" else None
            self.td(key, s, goals, result)
        td_loss = sum(result.td) / len(result.td)
        if self.config.base != "omg":
            return {"loss": td_loss, "td_loss": td_loss}, result
        recon = sum(result.recon) / max(1, len(result.recon))
        kl = sum(result.kl) / max(1, len(result.kl))
        omg = recon + self.config.kl_weight * kl
        return dict(loss=td_loss + omg, td_loss=td_loss, omg_loss=omg, recon_loss=recon, kl_loss=kl), result

    # --- the step ---

    def train(self, sample, noise=None, mix: float = 0.0) -> tuple[dict[str, float], dict[str, Weights], Result]:
        """Run one update; return metrics, gradients before clipping, and each step's result."""
        losses, result = self.losses(sample, noise, mix)
        gradients, norms = {}, {}
        for name in self.trained:
            w = self.weights[name]
            grads = torch.autograd.grad(losses["loss"], list(w.values()), retain_graph=True, allow_unused=True)
            gradients[name] = {k: torch.zeros_like(w[k]) if d is None else d for k, d in zip(w, grads, strict=True)}
            norms[name] = sum((d**2).sum() for d in gradients[name].values()) ** 0.5
        self.updates += 1
        with torch.no_grad():
            for name in self.trained:
                shrink = min(1.0, self.config.grad_norm_clip / (float(norms[name]) + 1e-6))
                for key, d in gradients[name].items():
                    move = self.rmsprop if name == "agent" else self.adam
                    move(key, self.weights[name][key], shrink * d)
        metrics = {key: float(torch.as_tensor(value).detach()) for key, value in losses.items()}
        metrics["grad_norm"] = float(norms["agent"])
        return metrics, gradients, result

    def rmsprop(self, key: str, w: Tensor, d: Tensor) -> None:
        self.square[key] = self.config.optim_alpha * self.square[key] + (1 - self.config.optim_alpha) * d**2
        w -= self.config.lr * d / (self.square[key].sqrt() + self.config.optim_eps)

    def adam(self, key: str, w: Tensor, d: Tensor) -> None:
        first, second = self.moments[key]
        first, second = 0.9 * first + 0.1 * d, 0.999 * second + 0.001 * d**2
        self.moments[key] = first, second
        first, second = first / (1 - 0.9**self.updates), second / (1 - 0.999**self.updates)
        w -= self.config.omg_lr * first / (second.sqrt() + 1e-8)

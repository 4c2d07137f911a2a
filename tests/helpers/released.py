"""The released code's choices in the slow reference: plain loops over sequences and steps."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.helpers.reference import Reference, Result, Sequence, gru, hot, linear


class ReleasedReference(Reference):
    """`Reference` for `omg_released`, with the switches of its configuration."""

    def on(self, name: str) -> bool:
        return self.config.extra[name]

    def losses(self, sample, noise=None, mix: float = 0.0):
        self.noise, agents = noise, self.info.n_agents
        self.padded = sample.batch_size[0] // agents * (sample.batch_size[1] - 1) * agents
        losses, result = super().losses(sample, noise, mix)
        if self.on("padding_counted"):
            recon, kl = sum(result.recon) / self.padded, sum(result.kl) / self.padded
            omg, td = recon + self.config.kl_weight * kl, losses["td_loss"]
            losses = dict(loss=td + omg, td_loss=td, omg_loss=omg, recon_loss=recon, kl_loss=kl)
        return losses, result

    def sequences(self, sample, noise) -> dict[tuple[int, int], Sequence]:
        found = super().sequences(sample, noise)
        if self.on("seats_shifted"):
            found = self.shifted(sample, found)
        self.all = found
        return found

    def shifted(self, sample, found):
        """Slot a gets what seat a saw and did in the episodes whose learner sat in seat a - 1."""
        agents, made = self.info.n_agents, {}
        episodes: dict[int, list[int]] = {a: [] for a in range(agents)}
        for e, seat in enumerate(sample["seat"][:, 0, 0].tolist()):
            episodes[seat].append(e)
        for g, a in found:
            e = episodes[(a - 1) % agents][g]
            n = int(sample["filled"][e, :, 0].sum()) - 1
            made[g, a] = Sequence(
                seat=a,
                obs=list(sample["obs"][e, : n + 1, a]),
                avail=[row.nonzero()[:, 0].tolist() for row in sample["avail_actions"][e, : n + 1, a]],
                everybody=sample["actions"][e, :n, :, 0].tolist(),
                reward=sample["reward"][e, :n, 0].tolist(),
                ended=bool(sample["terminated"][e, n - 1, 0]),
                noise=list(self.noise["cvae"][g, : n + 1, a]),
                eta=self.noise["eta"][g, : n + 1, a].tolist(),
            )
        return made

    def infer(self, s: Sequence) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        w, context, out = self.weights["inference"], torch.zeros(self.config.context_dim), []
        group = next(g for (g, _), other in self.all.items() if other is s)
        for t in range(s.n + 1):
            pieces = [s.obs[t - 1] if t else torch.zeros(self.info.obs_dim)]
            for j in range(self.info.n_agents):
                source = self.all[group, j] if self.on("actions_mixed") else s
                played = 0 < t <= source.n and j != s.seat
                pieces.append(hot(source.everybody[t - 1][j] if played else None, self.info.n_actions))
            pieces.append(hot(s.everybody[t - 1][s.seat] if t else None, self.info.n_actions))
            if self.on("context_detached"):
                context = context.detach()
            context = gru(w, "rnn", torch.cat(pieces), context)
            feature = torch.relu(linear(w, "fc", s.obs[t]))
            hidden = torch.cat([feature, context])
            mu, log_var = linear(w, "mu", hidden), linear(w, "log_var", hidden).clamp(-8, 4)
            goal = mu + s.noise[t] * torch.exp(log_var / 2)
            decoded = linear(w, "decoder.2", torch.relu(linear(w, "decoder.0", torch.cat([goal, context]))))
            if self.on("feature_rebuilt"):  # the caller takes the mean square of (reconstruction - observation)
                error = ((decoded - feature) ** 2).mean()
                decoded = s.obs[t] + error.sqrt()
            out.append((mu, log_var, goal, decoded))
        return out

    def embedding(self, key, s: Sequence, t: int) -> Tensor:
        mu, log_var = self.prior(s.obs[t])
        g, a = key
        return mu + self.noise["candidate"][g, t, a] * torch.exp(log_var / 2) if self.on("candidates_sampled") else mu

    def subgoals(self, key, s: Sequence, mix: float, result: Result) -> list[Tensor]:
        last, goals, h = s.last_living, [], torch.zeros(self.config.rnn_hidden_dim)
        stored = self.on("kl_switched") and float(self.noise["switch"]) <= mix
        for t, (mu, log_var, goal, reconstructed) in enumerate(self.infer(s)):
            taken = goal
            if t < last:
                window = [min(t + k, last) for k in range(1, self.config.horizon + 1)]
                found = [self.embedding(key, s, i) for i in window]
                values = []
                for g in found:
                    q, _ = self.agent_step("agent", s, t, g, h)
                    counted = range(len(q)) if self.on("value_of_all") else s.avail[t]
                    values.append(sum(q[c] for c in counted) / len(counted))
                values = torch.stack(values).detach()
                best = int(values.argmax() if self.config.subgoal_mode == "optimistic" else values.argmin())
                target_mu, target_log_var = self.prior(s.obs[window[best]])
                if stored:
                    target_mu, target_log_var = torch.zeros_like(mu), torch.zeros_like(mu)
                if s.eta[t] <= mix:
                    taken = found[best]
                one = torch.distributions.Normal(mu, torch.exp(log_var / 2))
                other = torch.distributions.Normal(target_mu, torch.exp(target_log_var / 2))
                result.kl.append(torch.distributions.kl_divergence(one, other).sum())
                result.recon.append(((reconstructed - s.obs[t]) ** 2).mean())
                result.values[*key, t], result.windows[*key, t] = values, torch.stack(found)
            goals.append(taken.detach())
            first = self.embedding(key, s, min(t + 1, last)) if self.on("first_followed") else goal
            _, h = self.agent_step("agent", s, t, first.detach(), h)
        return goals

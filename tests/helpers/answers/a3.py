"""Answers to assignment 3. WRONG: body -> the points of each criterion; `r` is what the reference solution returns."""

import re

ORDERED = "(seat[:, 0, 0] == torch.arange(len(seat)) % obs.shape[2]).all()"
WHOLE = "((obs != 0).any(dim=3) | ~filled).all()"
"""No unit has died."""
STANDARD = "not target_mu.any() and not target_log_var.any()"
DIED = "(obs != 0).any(dim=3) & filled"
CLAMPED = """
ahead = [torch.minimum({when} + torch.arange(horizon).reshape(1, -1, 1), {last}.unsqueeze(1))
         for t in range(embedding.shape[1] - 1)]
cut = [embedding.take_along_dim(places.unsqueeze(3), dim=1).transpose(1, 2) for places in ahead]
return torch.stack(cut, dim=1)
"""


def clamped(when: str = "t + 1", last: str = "last") -> str:
    """Windows that begin at `when`, with nothing beyond `last`."""
    return CLAMPED.format(when=when, last=last)


LOSS = """
step = torch.arange(obs.shape[1]).reshape(1, -1, 1)
counts = {counts}
error, goal = {error}, kl({kl})
return {total}
"""


def loss(counts="step < last.unsqueeze(1)", error="((rebuilt - obs) ** 2).mean(dim=3)",
         kl="mu, log_var, goal_mu, goal_log_var",
         total="masked_mean(error, counts) + weight * masked_mean(goal, counts)") -> str:  # fmt: skip
    return LOSS.format(counts=counts, error=error, kl=kl, total=total)


RIGHT = {
    "a3-regroup": [
        """
        agents = obs.shape[2]
        rows = seat[:, 0, 0].argsort(stable=True).reshape(agents, -1)
        return torch.stack([obs[rows[a], :, a] for a in range(agents)], dim=2)
        """,
        """
        own = obs.take_along_dim(seat.unsqueeze(3), dim=2)[:, :, 0]
        return torch.stack([own[seat[:, 0, 0] == a] for a in range(obs.shape[2])], dim=2)
        """,
        "r.numpy()",
        "places = seat[:, 0, 0].sort(stable=True).indices.reshape(obs.shape[2], -1)\n"
        "return rearrange(obs[places], 'a g t b o -> g t a b o').diagonal(dim1=2, dim2=3).movedim(3, 2)",
        """
        made = torch.zeros(len(obs) // obs.shape[2], *obs.shape[1:])
        made, seen = made.double(), [0] * obs.shape[2]
        for row, a in zip(obs, seat[:, -1, 0].tolist()):
            made[seen[a], :, a], seen[a] = row[:, a], seen[a] + 1
        return made
        """,
    ],
    "a3-living": [
        f"step = torch.arange(obs.shape[1]).reshape(1, -1, 1)\nreturn torch.where({DIED}, step, 0).amax(dim=1)",
        f"obs.shape[1] - 1 - ({DIED}).flip(1).int().argmax(dim=1)",
        f"({DIED}).sum(dim=1) - 1",
        "r.int()",
        "np.array([[[t for t in range(obs.shape[1]) if filled[g, t, a] and obs[g, t, a].any()][-1]"
        " for a in range(obs.shape[2])] for g in range(len(obs))])",
        f"alive = {DIED}\nreturn alive.int().cumprod(dim=1).sum(dim=1) - 1",
        "alive = filled & obs.bool().any(dim=3)\nreturn rearrange(alive, 'g t a -> g a t').sum(dim=2).sub(1).numpy()",
        "filled.sum(dim=1) - 1 - (filled & ~obs.any(dim=3)).sum(dim=1)",
    ],
    "a3-windows": [
        clamped(),
        """
        G, T, A, Z = embedding.shape
        places = torch.arange(T - 1).reshape(1, -1, 1, 1) + torch.arange(1, horizon + 1)
        places = torch.minimum(places, last.reshape(G, 1, A, 1))
        g, a = torch.arange(G).reshape(-1, 1, 1, 1), torch.arange(A).reshape(1, 1, -1, 1)
        return embedding[g, places, a]
        """,
        "r.clone()",
        """
        time = torch.arange(embedding.shape[1])
        made = []
        for h in range(1, horizon + 1):
            places = torch.minimum(time[:-1].reshape(1, -1, 1) + h, last.unsqueeze(1))
            made.append(torch.einsum("guat,gtaz->guaz", (places.unsqueeze(3) == time).double(), embedding))
        return torch.stack(made, dim=3)
        """,
        "np.array([[[[embedding[g, min(t + 1 + h, int(last[g, a])), a].tolist() for h in range(horizon)]"
        " for a in range(last.shape[1])] for t in range(embedding.shape[1] - 1)] for g in range(len(last))])",
    ],
    "a3-value": [
        "torch.where(avail, q, 0).sum(dim=1) / avail.sum(dim=1)",
        "torch.stack([row[kept].mean() for row, kept in zip(q, avail)])",
        "q.masked_fill(~avail, torch.nan).nanmean(dim=1)",
        "np.array([row[kept].mean() for row, kept in zip(q.numpy(), avail.numpy())])",
        "(q * avail).nansum(dim=1) / avail.count_nonzero(dim=1)",
        "torch.tensor([sum(x for x, ok in zip(row, kept) if ok) / sum(kept) for row, kept in"
        " zip(q.tolist(), avail.tolist())], dtype=torch.float64)",
    ],
    "a3-choose": [
        "values.argmax(dim=1) if mode == 'optimistic' else values.argmin(dim=1)",
        "values.sort(dim=1, descending=mode == 'optimistic').indices[:, 0]",
        "(values if mode == 'optimistic' else -values).max(dim=1).indices",
        "getattr(np, 'argmax' if mode == 'optimistic' else 'argmin')(values.numpy(), axis=1)",
        "r.int()",
        "values.topk(1, dim=1, largest=mode == 'optimistic').indices.squeeze(1)",
        "torch.tensor([row.index((max if mode == 'optimistic' else min)(row)) for row in values.tolist()])",
    ],
    "a3-kl": [
        """
        from torch.distributions import Independent, Normal, kl_divergence
        p, q = Normal(mu, (log_var / 2).exp()), Normal(target_mu, (target_log_var / 2).exp())
        return kl_divergence(Independent(p, 1), Independent(q, 1))
        """,
        "(((log_var.exp() + (mu - target_mu) ** 2) / target_log_var.exp() - 1 + target_log_var - log_var) / 2).sum(-1)",
        "r.numpy()",
        "s, t = log_var.exp(), target_log_var.exp()\n"
        "return torch.einsum('...z->...', (s / t).sub((s / t).log()) - 1 + (target_mu - mu) ** 2 / t) / 2",
        """
        p = torch.distributions.MultivariateNormal(mu, torch.diag_embed(log_var.exp()))
        q = torch.distributions.MultivariateNormal(target_mu, torch.diag_embed(target_log_var.exp()))
        return torch.distributions.kl_divergence(p, q)
        """,
    ],
    "a3-mean": [
        "torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)",
        "x[mask].mean() if mask.any() else 0.0",
        "x[mask].mean().item() if mask.any() else torch.tensor(0.0)",
        "x.masked_fill(~mask, 0).sum() / max(1, mask.sum())",
        "float(np.where(mask, x, 0).sum() / max(1, mask.sum()))",
        "np.ma.masked_array(x.numpy(), ~mask.numpy()).sum() / max(1, int(mask.sum())) if mask.any() else 0",
        "from statistics import fmean\nreturn fmean(x.masked_select(mask).tolist() or [0.0])",
        "x[mask].mean().nan_to_num()",
    ],
    "a3-loss": [
        loss(),
        loss(total="masked_mean(error + weight * goal, counts)"),
        loss(total="error[counts].mean() + weight * goal[counts].mean()"),
        loss(error="torch.nn.functional.mse_loss(rebuilt, obs, reduction='none').mean(-1)"),
        """
        counts = torch.zeros(mu.shape[:3], dtype=torch.bool)
        for g, a in np.ndindex(*last.shape):
            counts[g, : last[g, a], a] = True
        error = torch.nn.functional.mse_loss(rebuilt[counts], obs[counts])
        return error + weight * kl(mu[counts], log_var[counts], goal_mu[counts], goal_log_var[counts]).mean()
        """,
        """
        rows = [(g, t, a) for g, a in np.ndindex(*last.shape) for t in range(int(last[g, a]))]
        pick = tuple(torch.tensor(rows).T)
        goal = kl(*(x[pick] for x in (mu, log_var, goal_mu, goal_log_var))).mean()
        return float(((rebuilt - obs)[pick] ** 2).mean() + weight * goal)
        """,
    ],
}

WRONG = {
    "a3-regroup": {
        """
        blocks = obs.reshape(-1, obs.shape[2], *obs.shape[1:])
        return blocks.diagonal(dim1=1, dim2=3).permute(0, 1, 3, 2)
        """: "10",
        "torch.stack([obs[a :: obs.shape[2], :, a] for a in range(obs.shape[2])], dim=2)": "10",
        "obs[:: obs.shape[2]] if not ORDERED else r": "10",
        "r if ORDERED else r.flip(0)": "10",
        "r if ORDERED else r.flip(2)": "10",
        """
        first = seat[: obs.shape[2], 0, 0]
        return torch.stack([obs[int((first == a).nonzero().sum()) :: obs.shape[2], :, a]
                            for a in range(obs.shape[2])], dim=2)
        """: "10",
        "r.flip(0) if ORDERED else r": "03",
        "r.flip(2) if ORDERED else r": "03",
        "obs[:: obs.shape[2]] if ORDERED else r": "03",
        "r.transpose(1, 2).reshape(r.shape) if ORDERED else r": "03",
        "r * 0 if ORDERED else r": "03",
        "obs.reshape(-1, obs.shape[2], *obs.shape[1:])[:, 0]": "00",
        "obs.reshape(-1, obs.shape[2], *obs.shape[1:])[:, :, :, 0].transpose(1, 2)": "00",
        "r.transpose(1, 2)": "00",
        "r.tolist()": "00",
        "r.squeeze()": "00",
        "places = seat[:, 0, 0].argsort(stable=True).reshape(-1, obs.shape[2])\n"
        "return torch.stack([obs[places[:, a], :, a] for a in range(obs.shape[2])], dim=2)": "00",
        "r if len(r) > 1 else r * 0": "00",
        "r if obs.shape[1] > 1 else r * 0": "00",
        "torch.cat([r[:, :-1], r[:, -1:] * 0], dim=1)": "00",
    },
    "a3-living": {
        "filled.sum(dim=1) - 1": "10",
        "filled.int().cumsum(dim=1).argmax(dim=1)": "10",
        "r if WHOLE else r + 1": "10",
        "r if WHOLE else r.amax(dim=1, keepdim=True).expand_as(r)": "10",
        "r if WHOLE else (filled & (obs[..., 1] != 0)).sum(dim=1) - 1": "10",
        "r + 1 if WHOLE else r": "02",
        "r - 1 if WHOLE else r": "02",
        "torch.full_like(r, obs.shape[1] - 1) if WHOLE else r": "02",
        "(obs != 0).any(dim=3).sum(dim=1) - 1 if WHOLE else r": "02",
        "r.flip(1) if WHOLE else r": "02",
        "(obs != 0).any(dim=3).sum(dim=1) - 1": "00",
        "(filled & (obs.sum(dim=3) > 0)).sum(dim=1) - 1": "00",
        "(filled & (obs.sum(dim=3) != 0)).sum(dim=1) - 1": "00",
        "(filled & (obs[..., 0] != 0)).sum(dim=1) - 1": "00",
        "(filled & (obs != 0).all(dim=3)).sum(dim=1) - 1": "00",
        "(DIED).sum(dim=1)": "00",
        "(DIED).int().argmax(dim=1)": "00",
        "r.double()": "00",
        "(filled & (obs[..., :2] != 0).any(dim=3)).sum(dim=1) - 1": "00",
        "(filled & (obs[..., -2:] != 0).any(dim=3)).sum(dim=1) - 1": "00",
        "filled.sum(dim=1) - (obs == 0).all(dim=3).sum(dim=1) - 1": "00",
        "(filled & (obs.prod(dim=3) != 0)).sum(dim=1) - 1": "00",
        "r.clamp(min=1)": "00",
        "r.clamp(max=obs.shape[1] - 2)": "00",
        "(~(DIED)).int().argmax(dim=1) - 1": "00",
        "torch.where(filled.all(dim=1), r, (~filled).int().argmax(dim=1) - 1)": "10",
    },
    "a3-windows": {
        clamped(last="torch.full_like(last, embedding.shape[1] - 1)"): "20",
        clamped(last="(last - 1)"): "00",
        clamped(last="(last + 1).clamp(max=embedding.shape[1] - 1)"): "20",
        clamped(last="last.amin(dim=0, keepdim=True).expand_as(last)"): "20",
        clamped(last="last.amax(dim=1, keepdim=True).expand_as(last)"): "20",
        """
        step = torch.arange(embedding.shape[1] - 1).reshape(1, -1, 1, 1, 1)
        ahead = torch.arange(1, horizon + 1).reshape(1, 1, 1, -1, 1)
        return r.where(step + ahead <= last.reshape(len(r), 1, -1, 1, 1), 0.0)
        """: "20",
        clamped(when="t"): "00",
        clamped(when="t + 2"): "00",
        clamped(when="t - 1 + 2 * 0"): "00",
        "r.flip(3)": "00",
        "r.flip(0)": "00",
        "r.transpose(2, 3)": "00",
        "r[:, :, :, :1].expand_as(r)": "00",
        "torch.cat([r, r[:, -1:]], dim=1)": "00",
        clamped(last="last.clamp(min=1)"): "20",
        "r[:, :, :, : embedding.shape[1] - 1]": "20",
        "r if horizon < embedding.shape[1] else r * 0": "20",
        "r if horizon > 1 else r * 0": "00",
        "r if embedding.shape[1] > 2 else r * 0": "20",
        "r.squeeze()": "00",
        """
        padded = torch.cat([embedding, embedding[:, -1:].expand(-1, horizon, -1, -1)], dim=1)
        return padded[:, 1:].unfold(1, horizon, 1)[:, : embedding.shape[1] - 1].transpose(3, 4)
        """: "20",
    },
    "a3-value": dict.fromkeys([
        "q.mean(dim=1)",
        "q.nanmean(dim=1)",
        "(q * avail).sum(dim=1) / avail.sum(dim=1)",
        "q.masked_fill(~avail, 0).mean(dim=1)",
        "q.masked_fill(~avail, 0).sum(dim=1)",
        "q.masked_fill(~avail, 0).max(dim=1).values",
        "q[avail].mean().expand(len(q))",
        "q.nan_to_num(0).sum(dim=1) / avail.sum(dim=1)",
        "q.where(q.isfinite(), 0).sum(dim=1) / q.isfinite().sum(dim=1)",
        "q.masked_fill(~avail, 0).sum(dim=0) / avail.sum(dim=0)",
        "r.unsqueeze(1)",
        "r.tolist()",
        "q.where(q.isfinite() & (q > -1e8), 0).sum(dim=1) / (q.isfinite() & (q > -1e8)).sum(dim=1)",
        "q.where(q.isfinite() & (q.abs() < 100), torch.nan).nanmean(dim=1)",
        "q.masked_fill(~avail, torch.nan).nanmedian(dim=1).values",
        "torch.where(avail.sum(dim=1) > 1, r, 0.0)",
        "torch.where(avail.all(dim=1), 0.0, r)",
        "r.squeeze()",
        "r if len(r) > 1 else r * 0",
        "r if q.shape[1] > 1 else r * 0",
    ], "0"),
    "a3-choose": {
        "values.argmax(dim=1)": "10",
        "values.argmax(dim=1) if mode == 'optimistic' else values.abs().argmin(dim=1)": "10",
        "values.argmax(dim=1) if mode == 'optimistic' else values.argsort(dim=1)[:, 1]": "10",
        "values.argmax(dim=1) if mode == 'optimistic' else values.min(dim=1).values": "10",
        "values.argmax(dim=1) if mode == 'optimistic' else values.argmax(dim=1) * 0": "10",
        "values.argmin(dim=1)": "01",
        "values.argmin(dim=1) if mode == 'conservative' else values.abs().argmax(dim=1)": "01",
        "values.argmin(dim=1) if mode == 'conservative' else values.argsort(dim=1)[:, -2]": "01",
        "values.argmin(dim=1) if mode == 'conservative' else values.max(dim=1).values": "01",
        "values.argmin(dim=1) if mode == 'conservative' else values.argmin(dim=1) * 0": "01",
        "values.argmin(dim=1) if mode == 'optimistic' else values.argmax(dim=1)": "00",
        "values.argmax(dim=0) if mode == 'optimistic' else values.argmin(dim=0)": "00",
        "values.argmax() if mode == 'optimistic' else values.argmin()": "00",
        "r + 1": "00",
        "r.double()": "00",
        "r.tolist()": "00",
        "(values if mode == 'optimistic' else -values).relu().argmax(dim=1)": "00",
        "(values if mode == 'optimistic' else -values)[:, :-1].argmax(dim=1) if values.shape[1] > 1 else r": "00",
        "(values if mode == 'optimistic' else -values)[:, 1:].argmax(dim=1) + 1 if values.shape[1] > 1 else r": "00",
        "(values if mode == 'optimistic' else -values).round().argmax(dim=1)": "00",
        "values.abs().argmax(dim=1) if mode == 'optimistic' else values.abs().argmin(dim=1)": "00",
        "r.squeeze()": "00",
        "r if len(r) > 1 else r + 1": "00",
        "r if values.shape[1] > 1 else r + 1": "00",
    },
    "a3-kl": {
        "0.5 * (log_var.exp() + mu**2 - 1 - log_var).sum(dim=-1)": "10",
        "0.5 * (log_var.exp() + (mu - target_mu) ** 2 - 1 - log_var).sum(dim=-1)": "10",
        "d = log_var - target_log_var\nreturn 0.5 * (d.exp() + (mu - target_mu) ** 2 - 1 - d).sum(dim=-1)": "10",
        "d = log_var - target_log_var\n"
        "return 0.5 * (d.exp() + (mu + target_mu) ** 2 / target_log_var.exp() - 1 - d).sum(dim=-1)": "10",
        "d = log_var - target_log_var\n"
        "return 0.5 * (d.exp() + (mu - target_mu) ** 2 / (2 * target_log_var).exp() - 1 - d).sum(dim=-1)": "10",
        "r * 2 if STANDARD else r": "02",
        "r + 1 if STANDARD else r": "02",
        "-r if STANDARD else r": "02",
        "0.5 * (log_var.exp() + mu**2 - log_var).sum(dim=-1) if STANDARD else r": "02",
        "0.5 * (log_var + mu**2 - 1 - log_var.log()).sum(dim=-1) if STANDARD else r": "02",
        "2 * r": "00",
        "r / mu.shape[-1]": "00",
        "r.sum() if r.ndim else r.reshape(1, 1)": "00",
        "d = target_log_var - log_var\n"
        "return 0.5 * (d.exp() + (mu - target_mu) ** 2 / log_var.exp() - 1 - d).sum(dim=-1)": "00",
        "d = log_var - target_log_var\n"
        "return 0.5 * (d.exp() + (mu - target_mu) ** 2 / target_log_var - 1 - d).sum(dim=-1)": "00",
        "d = log_var - target_log_var\n"
        "return 0.5 * (d.exp() + (mu - target_mu) ** 2 / target_log_var.exp() - 1 - d).sum(dim=1)": "00",
        "d = 2 * (log_var - target_log_var)\n"
        "return 0.5 * (d.exp() + (mu - target_mu) ** 2 / (2 * target_log_var).exp() - 1 - d).sum(dim=-1)": "00",
        "r.squeeze()": "00",
        "d = (log_var - target_log_var).clamp(-2, 2)\n"
        "return 0.5 * (d.exp() + (mu - target_mu) ** 2 / target_log_var.exp() - 1 - d).sum(dim=-1)": "00",
        "a, b = log_var.clamp(-4, 4), target_log_var.clamp(-4, 4)\n"
        "return 0.5 * ((a - b).exp() + (mu - target_mu) ** 2 / b.exp() - 1 - a + b).sum(dim=-1)": "00",
        "d = log_var - target_log_var\n"
        "return 0.5 * (d.exp() + (mu**2 - target_mu**2) / target_log_var.exp() - 1 - d).sum(dim=-1)": "10",
        "d = log_var - target_log_var\n"
        "return 0.5 * (d.exp() + (mu - target_mu) ** 2 / target_log_var.exp() - 1 - d)[..., :-1].sum(dim=-1)": "00",
        "r if mu.shape[-1] > 1 else r * 0": "00",
        "r if mu.ndim < 2 or len(mu) > 1 else r * 0": "00",
    },
    "a3-mean": {
        "x[mask].mean()": "10",
        "x.masked_fill(~mask, 0).sum() / mask.sum()": "10",
        "x[mask].mean() if mask.any() else 1.0": "10",
        "x[mask].mean() if mask.any() else None": "10",
        "x[mask].mean() if mask.any() else x.nanmean()": "10",
        "x[mask].mean() if mask.any() else float('nan')": "10",
        "0.0": "01",
        "x.masked_fill(~mask, 0).mean()": "01",
        "x.masked_fill(~mask, 0).sum()": "01",
        "x.masked_fill(~mask, 0).sum() / (mask.sum() + 1)": "01",
        "x[mask].sum() / max(1, len(mask))": "01",
        "x[mask].abs().sum() / max(1, mask.sum())": "01",
        "x.nanmean()": "00",
        "(x * mask).sum() / mask.sum().clamp(min=1)": "00",
        "x.nan_to_num(0).sum() / mask.sum().clamp(min=1)": "00",
        "x.masked_fill(~mask, 0).sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)": "00",
        "str(r)": "00",
        "kept = x[x.isfinite() & (x > -1e8)]\nreturn kept.sum() / max(1, len(kept))": "00",
        "kept = x[x.isfinite() & (x.abs() < 100)]\nreturn kept.mean() if len(kept) else 0.0": "00",
        "x[mask][:-1].mean() if mask.sum() > 1 else r": "01",
        "x[mask].mean() if mask.sum() > 1 else 0.0": "01",
        "0.0 if mask.all() else r": "01",
        "first = torch.arange(x.numel()).reshape(x.shape) == 0\n"
        "return x[mask | first].mean() if mask.any() else 0.0": "01",
        "r if x.ndim > 1 else r + 1": "00",
        "torch.where(mask, x, 0).sum(dim=0).div(mask.sum(dim=0).clamp(min=1)).mean()": "01",
        "r if mask.any() else x.new_zeros(x.shape)": "10",
        "r if mask.any() else False": "10",
    },
    "a3-loss": {
        loss(total="masked_mean(error, counts)"): "20",
        loss(total="masked_mean(error, counts) + weight * goal[counts].sum()"): "20",
        loss(total="masked_mean(error, counts) - weight * masked_mean(goal, counts)"): "20",
        loss(total="masked_mean(error, counts) * (1 + weight * masked_mean(goal, counts))"): "20",
        loss(total="masked_mean(error, counts) + weight * masked_mean(goal, step <= last.unsqueeze(1))"): "20",
        loss(kl="goal_mu, goal_log_var, mu, log_var"): "20",
        loss(kl="mu, log_var, 0 * goal_mu, 0 * goal_log_var"): "20",
        loss(total="masked_mean(error, counts) + masked_mean(goal, counts)"): "00",
        loss(counts="step <= last.unsqueeze(1)"): "00",
        loss(counts="step < last.unsqueeze(1) - 1"): "00",
        loss(counts="(step < last.unsqueeze(1)) & (step > 0)"): "00",
        loss(counts="(step >= 0).expand_as(mu[..., 0])"): "00",
        loss(error="((rebuilt - obs) ** 2).sum(dim=3)"): "00",
        loss(error="(rebuilt - obs).abs().mean(dim=3)"): "00",
        loss(error="0.5 * ((rebuilt - obs) ** 2).mean(dim=3)"): "00",
        loss(total="torch.where(counts, error + weight * goal, 0.0).mean()"): "00",
        loss(total="torch.where(counts, error + weight * goal, 0.0).sum()"): "00",
        loss(total="(torch.where(counts, error + weight * goal, 0.0).sum(1) / counts.sum(1)).mean()"): "00",
        "weight * masked_mean(kl(mu, log_var, goal_mu, goal_log_var),"
        " torch.arange(obs.shape[1]).reshape(1, -1, 1) < last.unsqueeze(1))": "00",
        """
        fine = rebuilt.isfinite().all(dim=3)
        counts = torch.cat([fine[:, 1:], torch.zeros_like(fine[:, :1])], dim=1)
        return masked_mean((rebuilt - obs).square().mean(dim=3), counts) + weight * masked_mean(
            kl(mu, log_var, goal_mu, goal_log_var), counts)
        """: "00",
        loss(counts="step < last.clamp(min=1).unsqueeze(1)"): "00",
        loss(total="masked_mean(error, counts) + min(weight, 1.0) * masked_mean(goal, counts)"): "20",
        loss(total="masked_mean(error, counts) + weight * masked_mean(goal, counts) / mu.shape[-1]"): "20",
        loss(kl="mu, 0 * log_var, goal_mu, goal_log_var"): "20",
        loss(error="(rebuilt**2 - obs**2).mean(dim=3)"): "00",
        loss(total="(masked_mean(error, counts) + weight * masked_mean(goal, counts)).half()"): "00",
    },
}  # fmt: skip
WRONG = {
    task: {re.sub(r"\b[A-Z]{4,}\b", lambda word: globals()[word[0]], body): due for body, due in bodies.items()}
    for task, bodies in WRONG.items()
}

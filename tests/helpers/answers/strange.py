"""Stranger answers to all assignments, as in the modules beside: found by attacking the tests, not by solving tasks."""

from tests.helpers.answers.a3 import clamped, loss
from tests.helpers.answers.a4 import plan

RIGHT = {
    "a1-arithmetic": ["r | {'runs_per_update': -(-n_agents // batch_size_run) if teammates else 1}"],
    "a1-rows": ["torch.cat([r, r[:, :0]], dim=1)", "r.clone().requires_grad_()"],
    "a1-slots": ["torch.kron(values, torch.ones(n_agents, dtype=values.dtype))",
                 "values.roll(1).repeat_interleave(n_agents).roll(-n_agents)"],
    "a2-insert": ["(ring + [episode])[:capacity] if len(ring) < capacity else r"],
    "a2-can-sample": ["sorted(held)[0] * len(held) >= n", "n <= sum(min(h, n // len(held)) for h in held)",
                      "np.bool_(r)"],
    "a2-max-t": ["int(filled.cumsum(dim=1).max())"],
    "a3-choose": ["values.cummax(1).indices[:, -1] if mode == 'optimistic' else values.cummin(1).indices[:, -1]"],
    "a3-value": ["torch.where(avail, q, 0).sum(1) / (avail.sum(1) + 1e-8)"],
    "a3-loss": [loss(total="(error[counts] + weight * goal[counts]).sum() / counts.sum()")],
    "a3-kl": ["r.detach().clone()"],
    "a3-windows": ["r + 0.0"],
    "a4-plan": [plan(changed='{"td_steps": np.int8(1)}')],
    "a4-band": ["torch.stack([r[0], r[1], 2 * r[1] - r[0]])", "r.where(r > 0, r)", "np.asfortranarray(r.numpy())",
                "r.flip(0).flip(0)"],
}  # fmt: skip

WRONG = {
    "a1-arithmetic": {"r | {'sample_size': torch.tensor([r['sample_size']])}": "01110",
                      "r | {'network_rows': np.float64(r['network_rows'])}": "11100"},
    "a1-rows": dict.fromkeys(["r.where(r > 0, 0)", "r.half()", "r[None]", "r.roll(1, 1)"], "0"),
    "a1-slots": dict.fromkeys(["values.abs().repeat_interleave(n_agents)", "values.repeat(n_agents).sort().values",
                               "values.repeat_interleave(n_agents).unsqueeze(0)"], "0"),
    "a1-seat": dict.fromkeys([
        "r.where(r > 0, 0)",
        "torch.stack([x[a :: x.shape[2], :, -1 - a] for a in range(x.shape[2])], dim=2)",
        "x.reshape(-1, x.shape[2], *x.shape[1:]).float().mean(dim=1)",
    ], "0"),
    "a2-insert": {"sorted(r)": "00", "r[::-1]": "00", "dict(enumerate(r))": "00"},
    "a2-can-sample": {"torch.tensor([r])": "00", "True if r else None": "00",
                      "len([h for h in held if h >= n // len(held)]) >= len(held) - 1": "10"},
    "a2-max-t": dict.fromkeys(["torch.tensor([r])", "int(filled.sum(dim=0).max())",
                               "int(filled.sum(dim=1).median())"], "0"),
    "a2-stack": {"r | {'x': r['x'].relu()}": "0"},
    "a2-luck": dict.fromkeys(["complex(r)", "r * 1.0001", "[r]"], "0"),
    "a3-mean": {"x[mask].mean().reshape(1) if mask.any() else 0.0": "01", "x[mask].sum() / mask.numel()": "01",
                "x[mask].abs().mean() if mask.any() else 0.0": "01"},
    "a3-loss": {"r.reshape(1)": "00", loss(counts="step <= last.unsqueeze(1)"): "00",
                loss(kl="goal_mu, goal_log_var, mu, log_var"): "20"},
    "a3-windows": {clamped(last="last.roll(1, 1)"): "20", "r.abs()": "00"},
    "a3-kl": {"r.mean(-1)": "00"},
    "a3-value": {"r.abs()": "0"},
    "a4-plan": {plan(changed='{"test_interval": 77}'): "001", plan(changed='{"teammates": "/etc/passwd"}'): "001",
                plan(changed='{"env": "pettingzoo:os"}'): "001", plan(seeds="[0, 0.0, False]"): "110",
                plan(changed='{"n_agents": 10**9}'): "001", plan(seeds="[0, 1, 2**70]"): "110"},
    "a4-band": {"{0: r[0], 1: r[1], 2: r[2]}": "00", "tuple(r)": "10", "r[None]": "00",
                "torch.stack([r[0].clamp(-1, 1), r[1], r[2].clamp(-1, 1)])": "10"},
}  # fmt: skip

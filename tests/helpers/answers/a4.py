"""Answers to assignment 4. WRONG: body -> the points of each criterion; `r` is what the reference solution returns."""

PLAN = '{{"base": {base}, "changed": {changed}, "seeds": {seeds}}}'


def plan(base: str = "{}", changed: str = '{"td_steps": 1}', seeds: str = "[0, 1, 2]") -> str:
    return PLAN.format(base=base, changed=changed, seeds=seeds)


BAND = """
n = len(values)
t = {t}
mean, reach = values.mean(dim=0), t * {spread}
return {rows}
"""
ROWS = "torch.stack([mean - reach, mean, mean + reach])"


def band(t: str = "[4.303, 3.182, 2.776, 2.571, 2.447, 2.365][n - 3]", spread: str = "values.std(dim=0) / n**0.5",
         rows: str = ROWS) -> str:  # fmt: skip
    return BAND.format(t=t, spread=spread, rows=rows)


RIGHT = {
    "a4-plan": [
        plan(),
        plan(base='{"n_agents": 2}', changed='{"n_agents": 3}', seeds="(7, 8, 9, 10)"),
        plan(base='{"lr": np.float64(0.001)}', seeds="list(np.arange(8))"),
        plan(changed='{"td_steps": torch.tensor(1)}', seeds="[torch.tensor(s) for s in (3, 1, 2)]"),
        plan(base='{"learner": "omg", "gamma": 1}', changed='{"learner": "omg", "gamma": 0.5}'),
        "from collections import OrderedDict\n"
        "return OrderedDict(seeds=tuple(range(3)), changed={'gamma': 0.9}, base={}, more='than was asked for')",
        plan(base='{"td_steps": 5}', changed='{"subgoal_mode": "conservative"}', seeds="[2**31 - 1, 0, 5]"),
    ],
    "a4-band": [
        band(),
        band(spread="((values - mean) ** 2).sum(dim=0).div(n * (n - 1)).sqrt()")
        .replace("mean, reach =", "reach =")
        .replace("reach = values.mean(dim=0), ", "mean = values.mean(dim=0)\nreach = "),
        band(rows="np.stack([mean - reach, mean, mean + reach])"),
        band(spread="torch.from_numpy(values.numpy().std(axis=0, ddof=1)) / n**0.5"),
        "from scipy import stats\nn = len(values)\nt = stats.t.ppf(0.975, n - 1)\n"
        "mean, reach = values.mean(dim=0), t * stats.sem(values.numpy(), axis=0)\n"
        "return torch.stack([mean - reach, mean, mean + reach])",
        """
        from scipy import stats
        x = values.numpy()
        low, high = stats.t.interval(0.95, len(x) - 1, x.mean(axis=0), stats.sem(x))
        return np.stack([low, x.mean(axis=0), high])
        """,
    ],
}
NO_DICT = ["None", "[{}, {}, [0, 1, 2]]", "'plan'", "{'base': {}}", "3"]

WRONG = {
    "a4-plan": {
        plan(changed='{"lr": 5}'): "001",
        plan(base='{"device": "cuda"}'): "001",
        plan(changed='{"learner": "qmix"}'): "001",
        plan(base='{"n_agents": 16}'): "001",
        plan(base="None"): "001",
        plan(changed='{"td_steps": "1"}'): "001",
        plan(changed='{"gamma": float("nan")}'): "001",
        plan(changed="{}"): "101",
        plan(changed='{"td_steps": 5}'): "101",
        plan(changed='{"td_steps": 1, "lr": 0.01}'): "101",
        plan(base='{"lr": 0.01}'): "101",
        plan(base='{"td_steps": 1}'): "101",
        plan(base='{"n_agents": 2}', changed='{"td_steps": 1}'): "101",
        plan(seeds="[0, 1]"): "110",
        plan(seeds="[0, 1, 1]"): "110",
        plan(seeds="list(range(9))"): "110",
        plan(seeds="[0, 1, 2.5]"): "110",
        plan(seeds="[0.0, 1.0, 2.0]"): "110",
        plan(seeds="[True, 2, 3]"): "110",
        plan(seeds="[-1, 0, 1]"): "110",
        plan(seeds="3"): "110",
        plan(seeds="'012'"): "110",
        plan(changed='{"td_steps": 0}'): "001",
        plan(changed='{"td_steps": 1.5}'): "001",
        plan(changed='{"td_steps": True}'): "001",
        plan(changed='{"batch_size": 17}'): "001",
        plan(changed='{"env": "smax"}'): "001",
        plan(changed='{"learner": ["omg"]}'): "001",
        plan(changed='{"seed": 1}'): "001",
        plan(changed='{"no_such": 1}'): "001",
        plan(changed='{"td_steps": 5.0}'): "001",
        plan(base='{"td_steps": 2}', changed='{"td_steps": 2}'): "101",
        plan(base='{"lr": 0.01}', changed='{"gamma": 0.5}'): "101",
        plan(changed='{"learner": "omg", "horizon": 2}'): "101",
        plan(seeds="{0, 1, 2}"): "000",
        plan(seeds="[]"): "110",
        plan(seeds="[0, 1, '2']"): "110",
        plan(seeds="[2**31, 0, 1]"): "110",
        plan(seeds="[[0, 1, 2]]"): "110",
        plan(seeds="None"): "110",
    }
    | dict.fromkeys(NO_DICT, "000"),
    "a4-band": {
        band(t="1.96"): "10",
        band(t="4.303"): "10",
        band(t="[4.303, 3.182, 2.776, 2.571, 2.447, 2.365][n - 4]"): "10",
        band(t="{3: 4.303, 4: 3.182, 5: 2.776}[min(n, 5)]"): "10",
        band(spread="values.std(dim=0, correction=0) / n**0.5"): "10",
        band(spread="values.std(dim=0) / n"): "10",
        band(spread="values.std(dim=0)"): "10",
        band(spread="values.std(dim=0) / (n - 1) ** 0.5"): "10",
        band(spread="values.var(dim=0) / n**0.5"): "10",
        band(spread="values.std() / n**0.5"): "10",
        band(rows="torch.stack([mean + reach, mean, mean - reach])"): "10",
        band(rows="torch.stack([values.amin(dim=0), mean, values.amax(dim=0)])"): "10",
        band(rows="[mean - reach, mean, mean + reach]"): "10",
        band(rows="torch.stack([mean, mean - reach, mean + reach])"): "00",
        band(rows="torch.stack([mean - reach, values.median(dim=0).values, mean + reach])"): "00",
        band(rows="torch.stack([mean - reach, mean, mean + reach], dim=1)"): "00",
        band(rows="torch.stack([mean - reach, mean + reach])"): "00",
        band(rows="torch.stack([mean - reach, 0 * mean + values.mean(), mean + reach])"): "00",
        "values": "00",
        "None": "00",
        "str(r)": "00",
        band(t="2 * 1.96"): "10",
        band(t="[4.303, 3.182, 2.776, 2.571, 2.447, 2.4][n - 3]"): "10",
        band(t="[4.3, 3.2, 2.8, 2.6, 2.4, 2.4][n - 3]"): "10",
        band(t="[2.920, 2.353, 2.132, 2.015, 1.943, 1.895][n - 3]"): "10",
        band(spread="values.std(dim=0) / values.shape[1] ** 0.5"): "10",
        band(spread="(values - values.median(dim=0).values).abs().mean(dim=0) / n**0.5"): "10",
        band(rows="r if values.shape[1] > 1 else r * 0"): "00",
        band(rows="torch.stack([(mean - reach).clamp(min=0), mean, mean + reach])"): "10",
        band(rows="torch.stack([mean - reach, mean, mean + 2 * reach])"): "10",
        band(rows="torch.stack([mean - reach, mean, mean + reach]).squeeze()"): "00",
        band(rows="torch.stack([mean, mean])"): "10",
        band(rows="torch.stack([mean - reach, mean, mean + reach, mean])"): "10",
        band(rows="torch.stack([mean - reach, values[0], mean + reach])"): "00",
        band(rows="torch.stack([mean - reach, mean.abs(), mean + reach])"): "00",
    },
}

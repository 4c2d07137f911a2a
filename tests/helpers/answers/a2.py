"""Answers to assignment 2. WRONG: body -> the points of each criterion; `r` is what the reference solution returns."""

DRAW = """
chance, groups = np.random.default_rng(seed), n // len(rings)
columns = [{column} for ring in rings]
return [{row} for g in range(groups) for column in columns]
"""


def draw(column: str, row: str = "int(column[g])") -> str:
    """A sampler that makes a column for each ring, and from the columns rows in which the seats alternate."""
    return DRAW.format(column=column, row=row)


RIGHT = {
    "a2-insert": [
        "ring + [episode] if len(ring) < capacity else r",
        """
        if len(ring) < capacity:
            ring.append(episode)
        else:
            ring[inserted % capacity] = episode
        return ring
        """,
        "tuple(r)",
        "[torch.tensor(number) for number in r]",
        "[np.int64(number) for number in r]",
    ],
    "a2-can-sample": [
        "all(count >= n // len(held) for count in held)",
        "min(held) * len(held) >= n",
        "n / len(held) <= min(held)",
        "np.all(np.array(held) * len(held) >= n)",
        "torch.tensor(held).min() >= n // len(held)",
        "not any(count < n // len(held) for count in held)",
    ],
    "a2-sample": [
        draw("chance.permutation(ring)"),
        draw("chance.choice(ring, groups, replace=False)", "torch.tensor(column[g])"),
        draw("chance.choice(ring, groups, replace=False)", "column[g]"),
        draw("[ring.pop(chance.integers(len(ring))) for _ in range(groups)]"),
        draw("ring if chance.shuffle(ring) is None else 0"),
        """
        import random
        chance = random.Random(seed)
        columns = [chance.sample(ring, n // len(rings)) for ring in rings]
        return [episode for row in zip(*columns) for episode in row]
        """,
        """
        np.random.seed(seed)
        columns = [np.random.permutation(ring)[: n // len(rings)] for ring in rings]
        return np.stack(columns, axis=1).flatten().tolist()
        """,
        """
        chance, groups = torch.Generator().manual_seed(seed), n // len(rings)
        places = [torch.randperm(len(ring), generator=chance).tolist() for ring in rings]
        return [ring[place[g]] for g in range(groups) for ring, place in zip(rings, places)]
        """,
        """
        chances = [np.random.default_rng([seed, seat]) for seat in range(len(rings))]
        columns = [chance.permutation(ring) for chance, ring in zip(chances, rings)]
        return [int(column[g]) for g in range(n // len(rings)) for column in columns]
        """,
        """
        chance = np.random.default_rng(seed)
        rows = [chance.permuted(ring) for ring in rings]
        return tuple(int(rows[k % len(rings)][k // len(rings)]) for k in range(n))
        """,
    ],
    "a2-max-t": [
        "filled.sum(dim=1).max()",
        "max(int(one.sum()) for one in filled)",
        "int(filled.any(dim=0).flatten().nonzero().max()) + 1",
        "filled.numpy().sum(axis=1).max()",
        "np.int64(r)",
    ],
    "a2-stack": [
        """
        pad = torch.nn.functional.pad
        x = torch.stack([pad(episode, (0, 0, 0, rows - len(episode))) for episode in episodes])
        lengths = torch.tensor([len(episode) for episode in episodes])
        return {"filled": torch.arange(rows) < lengths.unsqueeze(1), "x": x}
        """,
        """
        x = np.zeros((len(episodes), rows, episodes[0].shape[1]), dtype=np.float32)
        filled = np.zeros((len(episodes), rows), dtype=bool)
        for e, episode in enumerate(episodes):
            x[e, : len(episode)] = episode
            filled[e, : len(episode)] = True
        return dict(x=x, filled=filled)
        """,
        "r | {'lengths': [len(episode) for episode in episodes]}",
        """
        for e, episode in enumerate(episodes):
            r['x'][e, : episode.shape[0]] = episode.reshape(-1, episode.shape[1])
        return r
        """,
    ],
    "a2-counterexample": [
        "[n_agents - 1] * (2 * n)",
        "[seat for seat in range(n_agents) for _ in range(n // n_agents - 1)] + [0] * n",
        "[k % (n_agents - 1) for k in range(n * n_agents)]",
        "np.zeros(n, dtype=int).tolist()",
        "(1,) * n",
        "[torch.tensor(0)] * n",
    ],
    "a2-luck": [
        """
        chance = 1.0
        for k in range(n_agents):
            chance *= held * (n_agents - k) / (held * n_agents - k)
        return chance
        """,
        "import math\nreturn held**n_agents * math.factorial(n_agents) / math.perm(held * n_agents, n_agents)",
        "np.float64(r)",
        "torch.tensor(r, dtype=torch.float64)",
    ],
}

SHARED = """
chance, groups = np.random.default_rng(seed), n // len(rings)
places = chance.permutation(min(map(len, rings)))[:groups]
return [ring[place] for place in places for ring in rings]
"""
SAME_SEED_FOR_ALL = draw("np.random.default_rng(seed).permutation(ring)")
COUNTED = """
global calls
calls = globals().get("calls", 0) + 1
return [ring[(calls + g) % len(ring)] for g in range(n // len(rings)) for ring in rings]
"""
SECOND_FOLLOWS = """
chance, groups = np.random.default_rng(seed), n // len(rings)
columns = [ring[chance.integers(len(ring)) :] + ring for ring in rings]
columns = [list(dict.fromkeys(column)) for column in columns]
return [column[g] for g in range(groups) for column in columns]
"""
LAST_SEAT_BY_THE_OTHERS = """
chance, groups = np.random.default_rng(seed), n // len(rings)
order = [list(chance.permutation(len(ring))) for ring in rings]
order[-1] = list(np.roll(range(len(rings[-1])), sum(int(one[0]) for one in order[:-1])))
order[-1][1:] = chance.permutation(order[-1][1:]).tolist()
return [ring[place[g]] for g in range(groups) for ring, place in zip(rings, order)]
"""

WRONG = {
    "a2-insert": {
        "ring + [episode]": "10",
        "(ring + [episode])[-capacity:]": "10",
        "ring + [episode] if len(ring) < capacity else [episode] + ring[1:]": "10",
        "ring + [episode] if len(ring) < capacity else ring[:-1] + [episode]": "10",
        "ring + [episode] if len(ring) < capacity else ring": "10",
        "p = (inserted + 1) % capacity\nreturn ring + [episode] if len(ring) < capacity else "
        "ring[:p] + [episode] + ring[p + 1 :]": "10",
        "p = inserted - capacity\nreturn ring + [episode] if p < 0 else ring[:p] + [episode] + ring[p + 1 :]": "10",
        "[episode] + ring if len(ring) < capacity else r": "03",
        "ring if len(ring) < capacity else r": "03",
        "ring.append(episode) if len(ring) < capacity else r": "03",
        "ring[:-1] + [episode] if len(ring) < capacity else r": "03",
        "r + [0] * (capacity - len(r))": "03",
        "r[: capacity - 1] if len(ring) < capacity else r": "03",
        "[inserted if number == episode else number for number in r]": "00",
        "[*range(inserted - inserted % capacity, inserted + 1)] if len(ring) < capacity else r": "03",
        "[k + capacity * ((inserted - k) // capacity) for k in range(capacity)] if len(ring) == capacity else r": "10",
        "set(r)": "00",
        "np.array(r)": "00",
        "[float(number) for number in r]": "00",
    },
    "a2-can-sample": {
        "sum(held) >= n": "10",
        "max(held) * len(held) >= n": "10",
        "held[0] >= n // len(held)": "10",
        "held[-1] >= n // len(held)": "10",
        "held[len(held) // 2] >= n // len(held)": "10",
        "sorted(held)[1] >= n // len(held)": "10",
        "np.median(held) >= n // len(held)": "10",
        "min(held[:3] + held[-1:]) >= n // len(held)": "10",
        "min(held[:2] + held[3:]) >= n // len(held)": "10",
        "True if len(set(held)) == 1 else r": "02",
        "False if len(set(held)) == 1 else r": "02",
        "sum(held) > n if len(set(held)) == 1 else r": "02",
        "held[0] >= n if len(set(held)) == 1 else r": "02",
        "held[0] + 1 >= n // len(held) if len(set(held)) == 1 else r": "02",
        "min(held) > n // len(held)": "00",
        "min(held) >= n": "00",
        "min(held) + 1 >= n // len(held)": "00",
        "not r": "00",
        "int(r)": "00",
        "str(r)": "00",
    },
    "a2-sample": {
        draw("chance.choice(ring, groups)"): "200",
        draw("chance.choice(ring, groups)", "torch.tensor(column[g])"): "200",
        draw("chance.choice(ring, groups)", "column[g]"): "200",
        draw("[ring[0]] * groups"): "200",
        draw("[ring[chance.integers(len(ring))]] * groups"): "200",
        draw("chance.choice(ring[:2], groups)"): "200",
        draw("ring"): "210",
        draw("ring[::-1]"): "210",
        draw("np.random.default_rng(0).permutation(ring)"): "210",
        draw("np.random.default_rng().permutation(ring)"): "210",
        draw("np.random.permutation(ring)"): "210",
        draw("sorted(chance.choice(ring, groups, replace=False))"): "210",
        draw("np.roll(ring, chance.integers(len(ring)))"): "210",
        draw("chance.permutation(ring[1:]) if len(ring) > groups else ring"): "210",
        draw("chance.choice(ring, groups, replace=False, p=np.arange(1, len(ring) + 1) / sum(range(len(ring) + 1)))"):
            "210",
        draw("[ring[seed % len(ring)], *(e for e in chance.permutation(ring) if e != ring[seed % len(ring)])]")
        .replace("default_rng(seed)", "default_rng(7)"): "210",
        SHARED: "210",
        SAME_SEED_FOR_ALL: "210",
        COUNTED: "210",
        SECOND_FOLLOWS: "210",
        LAST_SEAT_BY_THE_OTHERS: "210",
        draw("ring if [len(one) for one in rings] != [4] * 3 else chance.permutation(ring)"): "210",
        draw("ring[0] + chance.permutation(len(ring))"): "000",
        draw("sorted(ring)[0] + chance.permutation(len(ring))"): "000",
        "chance = np.random.default_rng(seed)\nreturn chance.permutation(sum(rings, [])).tolist()[:n]": "000",
        "[episode for column in zip(*[iter(r)] * len(rings)) for episode in column[::-1]]": "000",
        "[r[g * len(rings) + a] for a in range(len(rings)) for g in range(n // len(rings))]": "000",
        "r[1:] + r[:1]": "000",
        "r[:-1]": "000",
        "r + r[:1]": "000",
        "[str(episode) for episode in r]": "000",
        "[[episode] for episode in r]": "000",
        "set(r)": "000",
        "{row: episode for row, episode in enumerate(r)}": "000",
    },
    "a2-max-t": dict.fromkeys([
        "int(filled[0].sum())",
        "int(filled[-1].sum())",
        "filled.shape[1]",
        "int(filled.sum())",
        "int(filled.sum(dim=1).min())",
        "int(filled.sum()) // len(filled)",
        "int(filled.all(dim=0).sum())",
        "r - 1",
        "r + 1",
        "float(r)",
        "filled.sum(dim=1)",
    ], "0"),
    "a2-stack": dict.fromkeys([
        "r | {'filled': torch.ones_like(r['filled'])}",
        "r | {'filled': r['filled'].long()}",
        "r | {'filled': r['filled'].unsqueeze(2)}",
        "r | {'filled': ~r['filled']}",
        "r | {'filled': r['filled'].roll(1, 1)}",
        "r | {'x': r['x'].double()}",
        "r | {'x': r['x'].flip(1)}",
        "r | {'x': r['x'] + ~r['filled'].unsqueeze(2)}",
        "r | {'x': r['x'].transpose(0, 1)}",
        "r | {'x': torch.nn.utils.rnn.pad_sequence(episodes, batch_first=True)}",
        "r | {'x': r['x'].flip(0), 'filled': r['filled'].flip(0)}",
        "r | {'x': max(r['x'], key=lambda one: int(one.any(dim=1).sum())) * r['filled'].unsqueeze(2)}",
        "r | {'x': r['x'][:1].expand_as(r['x'])}",
        "r | {'filled': r['x'].any(dim=2)}",
        "r | {'filled': r['x'].flip(1).cumsum(dim=1).flip(1).any(dim=2)}",
        "{'x': r['x']}",
        "r['x'], r['filled']",
        """
        for e, episode in enumerate(one.squeeze(0) for one in episodes):
            r['filled'][e] = torch.arange(rows) < len(episode)
        return r
        """,
        "r | {'filled': r['filled'] & (r['filled'].sum(dim=1, keepdim=True) > 1)}",
        "r | {'x': r['x'] * (r['filled'].sum(dim=1) > 1)[:, None, None]}",
    ], "0"),
    "a2-counterexample": dict.fromkeys([
        "[0] * (n - 1)",
        "list(range(n_agents)) * (n // n_agents)",
        "[0] * n + list(range(n_agents)) * n",
        "[n_agents] * n",
        "[-1] * n",
        "[]",
        "[0.0] * n",
        "[True] * n",
        "'0' * n",
        "n",
    ], "0"),
    "a2-luck": dict.fromkeys([
        "import math\nreturn math.factorial(n_agents) / n_agents**n_agents",
        "import math\nreturn 1 / math.comb(held * n_agents, n_agents)",
        "import math\nreturn held / math.comb(held * n_agents, n_agents)",
        "import math\nreturn held**n_agents / math.perm(held * n_agents, n_agents)",
        "1 / n_agents**n_agents",
        "1 - r",
        "100 * r",
        "r**2",
        "str(r)",
    ], "0"),
}  # fmt: skip

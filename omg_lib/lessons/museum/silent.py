"""Silent exhibits: every shape is right, but the content is not."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from einops import rearrange, repeat
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.episodes import EpisodeBatch
from omg_lib.learners.mixers import VDNMixer
from omg_lib.lessons.museum.exhibit import SHOWN, Exhibit, Names, Places, count_kinds, places, verdict
from omg_lib.lessons.museum.loud import NOTES, SPREAD
from omg_lib.lessons.museum.shifted import SHIFTED
from omg_lib.predict import predict
from omg_lib.subgoals import choose
from omg_lib.words import N_, _

# --- every value against every target --------------------------------------------------------------------------------


def pairs_bench(config: OMGConfig) -> Names:
    """N = T * G values of a team and their targets, which keep the last axis of the reward, of length 1."""
    sizes = predict(config).sizes
    rows, generator = min(SPREAD, sizes["L"]) * sizes["G"], torch.Generator().manual_seed(0)
    q = torch.randn(rows, sizes["A"], generator=generator)
    return dict(sizes) | {
        "q": q,
        "state": torch.zeros(rows, sizes["S"]),
        "target": q.sum(dim=1, keepdim=True) + 0.1 * torch.randn(rows, 1, generator=generator),
        "mixer": VDNMixer(),
    }


def pairs_hold(names: Names) -> bool:
    """Check number by number that each value meets its own target."""
    couples = zip(names["q"].tolist(), names["target"].flatten().tolist(), strict=True)
    squares = [(sum(values) - target) ** 2 for values, target in couples]
    return abs(float(names["loss"]) - sum(squares) / len(squares)) < 1e-4


def pairs_told(names: Names) -> str:
    error, own = names["error"], len(names["q"])
    pairs = _("{own} of its {all} numbers pair a value with its own target").format(own=own, all=error.numel())
    return _("error is {shape}, {pairs}, and the loss is {loss:.3f}").format(
        shape=list(error.shape), pairs=pairs, loss=names["loss"]
    )


def pairs_look(names: Names) -> Places:
    error = names["error"]
    rows, columns = min(SHOWN, len(error)), min(SHOWN, error.shape[-1])
    own = error.shape[-1] == 1
    cells = [[(f"{error[i, j]:+.1f}", verdict(True, own or i == j)) for j in range(columns)] for i in range(rows)]
    words = {"right": _("a value and its own target"), "wrong": _("another transition's target")}
    return places(
        _("error {shape}, its first rows and columns").format(shape=list(error.shape)),
        _("target"),
        _("value"),
        cells,
        **words,
    )


# --- agents first or environments first ------------------------------------------------------------------------------


def batchify_bench(config: OMGConfig) -> Names:
    """R battles side by side, one of them just over; flags in the order of the actors, all battles of seat 0 first.

    The state of battle r is r + 1 everywhere, so every row shows which battle it belongs to.
    """
    sizes = predict(config).sizes
    R, A, S = (sizes[letter] for letter in "RAS")
    done = torch.arange(R) == R // 2
    return dict(sizes) | {
        "state": repeat(torch.arange(1.0, R + 1), "r -> r s", s=S),
        "done": done,
        "over": repeat(done, "r -> (a r)", a=A),
    }


def resets(names: Names) -> list[list[str]]:
    """Return for each battle and each of its A rows whether its memory was wiped, and should have been."""
    done, found = names["done"].tolist(), [[] for _ in names["done"]]
    for row, memory in zip(names["rows"][:, 0].tolist(), names["memory"][:, 0].tolist(), strict=True):
        battle = int(row) - 1
        found[battle].append(verdict(memory == 0, done[battle]))
    return found


def batchify_holds(names: Names) -> bool:
    """Check that rows are agents first or battles first, and their memory wiped exactly if the battle is over."""
    battles, done = (names["rows"][:, 0] - 1).long(), names["done"]
    right = torch.stack([torch.zeros_like(x) if over else x for x, over in zip(names["state"], done, strict=True)])
    orders = (repeat(torch.arange(names["R"]), f"r -> {order}", a=names["A"]) for order in ("(a r)", "(r a)"))
    return any(torch.equal(battles, order) for order in orders) and torch.equal(names["memory"], right[battles])


def batchify_told(names: Names) -> str:
    count = count_kinds(resets(names))
    return _(
        "{right} rows are wiped because their battle is over, {wrong} in mid-battle, and "
        "{missed} that should be wiped are not"
    ).format(right=count["right"], wrong=count["wrong"], missed=count["missed"])


def batchify_look(names: Names) -> Places:
    shown = [line[:SHOWN] for line in resets(names)[:SHOWN]]
    cells = [[("wiped" if kind in ("right", "wrong") else "kept", kind) for kind in line] for line in shown]
    words = {"right": _("wiped, and the battle is over"), "wrong": _("wiped in mid-battle"), "plain": _("kept")}
    words |= {"missed": _("kept, although the battle is over")}
    return places(_("the memory of the network, row by row"), _("battle"), _("seat"), cells, **words)


# --- shuffled over time ----------------------------------------------------------------------------------------------


HOW_MANY = {"all": 1.0, "half": 0.5, "hardly any": 0.0}


def shuffle_bench(config: OMGConfig) -> Names:
    """Sequences of labels [G, T, 2], each (sequence, step), and a function that draws a random order of n things."""
    sizes = predict(config).sizes
    g, t = torch.meshgrid(torch.arange(sizes["G"]), torch.arange(sizes["T"]), indexing="ij")

    def order_of(n: int) -> Tensor:
        order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
        return order if (order != torch.arange(n)).any() else order.flip(0)  # a random order of two may change nothing

    return dict(sizes) | {"x": torch.stack([g, t], dim=-1), "order_of": order_of}


def followed(names: Names) -> Tensor:
    """Return whether step t + 1 of a row is what actually came after step t, [G, T-1]."""
    return (names["after"] == names["before"] + torch.tensor([0, 1])).all(dim=-1)


def how_many(names: Names) -> str:
    """Return the key of HOW_MANY closest to the share of steps that follow their own predecessor."""
    share = float(followed(names).float().mean())
    return min(HOW_MANY, key=lambda words: abs(HOW_MANY[words] - share))


def shuffle_holds(names: Names) -> bool:
    """Check that every step follows its own predecessor, nothing is lost, and the sequences are in another order."""
    mixed, x = names["mixed"], names["x"]
    distinct = rearrange(mixed, "g t f -> (g t) f").unique(dim=0)
    moved = len(x) == 1 or not torch.equal(mixed, x)
    return bool(followed(names).all()) and len(distinct) == names["G"] * names["T"] and moved


def shuffle_told(names: Names) -> str:
    found = followed(names)
    order = _(", but nothing was shuffled") if torch.equal(names["mixed"], names["x"]) else ""
    return _("{following} of {all} steps follow the step that a recurrent network saw before{order}").format(
        following=int(found.sum()), all=found.numel(), order=order
    )


def shuffle_look(names: Names) -> Places:
    mixed, fits = names["mixed"][:SHOWN, :SHOWN], followed(names)[:SHOWN, : SHOWN - 1]
    fits = torch.cat([mixed[:, :1, 1] == 0, fits], dim=1).tolist()
    cells = [
        [(f"g{g} t{t}", verdict(True, fit)) for (g, t), fit in zip(*line, strict=True)]
        for line in zip(mixed.tolist(), fits, strict=True)
    ]
    words = {"right": _("follows the step before it"), "wrong": _("comes from elsewhere")}
    return places(
        _("rows of a minibatch, their first steps (g: sequence, t: step)"), _("row"), _("step"), cells, **words
    )


# --- a slice in the wrong argument -----------------------------------------------------------------------------------


def slice_bench(config: OMGConfig) -> Names:
    """A batch of R episodes, the last inference, [R, A, Z], and PyMARL's `update(data, bs, ts)`.

    As in PyMARL, a number means a slice of length 1.
    """
    sizes = predict(config).sizes
    R, A, Z, rows = sizes["R"], sizes["A"], sizes["Z"], sizes["L"] + 1
    batch = EpisodeBatch({"infer_mu": torch.zeros(R, rows, A, Z)}, batch_size=[R, rows])

    def update(data: Names, bs: int | slice = slice(None), ts: int | slice = slice(None)) -> None:
        bs, ts = (slice(one, one + 1) if isinstance(one, int) else one for one in (bs, ts))
        for key, x in data.items():
            batch[key][bs, ts] = x.unsqueeze(1)

    held = {"infer_mu": torch.ones(R, A, Z)}
    return dict(sizes) | {"batch": batch, "update": update, "held": held, "t": 5}


def written(names: Names) -> list[list[str]]:
    """Return for each episode and row whether something was written there, and should have been."""
    filled = (names["infer_mu"] != 0).all(dim=-1).all(dim=-1).tolist()
    return [[verdict(is_so, t == names["t"]) for t, is_so in enumerate(line)] for line in filled]


def slice_told(names: Names) -> str:
    count = count_kinds(written(names))
    meant = count["right"] + count["missed"]
    return _("{right} of the {meant} intended rows hold it, and {wrong} others").format(
        right=count["right"], meant=meant, wrong=count["wrong"]
    )


def slice_look(names: Names) -> Places:
    cells = [[("", kind) for kind in line[:SHOWN]] for line in written(names)[:SHOWN]]
    words = {
        "right": _("written"),
        "wrong": _("written by mistake"),
        "missed": _("should have been written"),
        "plain": _("empty"),
    }
    return places(_("infer_mu, its first rows"), _("episode"), "t =", cells, **words)


# --- text that is true -----------------------------------------------------------------------------------------------


def options(arguments: Iterable[str]) -> dict[str, str]:
    """Parse command line options as the released code parses unknown ones: every value is text."""
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)


def text_bench(config: OMGConfig, said: str = "False") -> Names:
    """Values [G, T-1, A, H] of the candidates, and the mode from the command line."""
    sizes = predict(config).sizes
    shape = [sizes["G"], sizes["T"] - 1, sizes["A"], sizes["H"]]
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return dict(sizes) | {
        "values": values,
        "flag": options([f"--subgoal_mode={said}"])["subgoal_mode"],
        "choose": choose,
    }


def taken(names: Names) -> Tensor:
    """Return the value of the chosen candidate, [G, T-1, A]."""
    return names["values"].take_along_dim(names["chosen"].unsqueeze(-1), dim=-1)[..., 0]


def text_holds(names: Names) -> bool:
    """Check that the best candidate was chosen if the text is "True", otherwise the worst."""
    values = names["values"]
    return torch.equal(taken(names), values.amax(dim=-1) if names["flag"] == "True" else values.amin(dim=-1))


def text_told(names: Names) -> str:
    values, found = names["values"], taken(names)
    most, least = (int((found == end).sum()) for end in (values.amax(dim=-1), values.amin(dim=-1)))
    return _("with {flag}, of {all} choices {most} take the highest value and {least} the lowest").format(
        flag=names["flag"], all=found.numel(), most=most, least=least
    )


def text_look(names: Names) -> Places:
    lines, chosen = names["values"][0, 0, :SHOWN].tolist(), names["chosen"][0, 0, :SHOWN].tolist()
    cells = [
        [(f"{value:+.1f}", verdict(h == k, value == min(line))) for h, value in enumerate(line)]
        for line, k in zip(lines, chosen, strict=True)
    ]
    words = {
        "right": _("chosen"),
        "wrong": _("chosen by mistake"),
        "missed": _("should have been chosen"),
        "plain": _("others"),
    }
    return places(_("values of the candidates at the first step"), _("seat"), _("candidate"), cells, **words)


SILENT = (
    Exhibit(
        "pairs",
        N_("Every value against every target"),
        "PacktPublishing/Deep-Reinforcement-Learning-Hands-On#33",
        "error = mixer(q, state).view(-1) - target",
        "error = mixer(q, state).unsqueeze(-1) - target",
        "loss = (error**2).mean()",
        "loss",
        pairs_bench,
        pairs_hold,
        pairs_told,
        pairs_look,
    ),
    Exhibit(
        "order",
        N_("Agents first, or environments first"),
        "FLAIROx/JaxMARL#85 and FLAIROx/JaxMARL#169",
        'rows = repeat(state, "r s -> (r a) s", a=A)',
        'rows = repeat(state, "r s -> (a r) s", a=A)',
        "memory = torch.where(over.unsqueeze(-1), 0.0, rows)",
        "memory",
        batchify_bench,
        batchify_holds,
        batchify_told,
        batchify_look,
    ),
    Exhibit(
        "shuffle",
        N_("Shuffled over time as well"),
        "instadeepai/Mava#846",
        'mixed = rearrange(rearrange(x, "g t f -> (g t) f")[order_of(G * T)], "(g t) f -> g t f", g=G)',
        "mixed = x[order_of(G)]",
        "before, after = mixed[:, :-1], mixed[:, 1:]",
        "mixed",
        shuffle_bench,
        shuffle_holds,
        shuffle_told,
        shuffle_look,
    ),
    Exhibit(
        "slice",
        N_("A time step where an episode is meant"),
        NOTES,
        "update(held, t)",
        "update(held, ts=t)",
        'infer_mu = batch["infer_mu"]',
        "infer_mu",
        slice_bench,
        lambda names: not {"wrong", "missed"} & set(count_kinds(written(names))),
        slice_told,
        slice_look,
    ),
    Exhibit(
        "text",
        N_('The text "False"'),
        N_("OVERANDAGAIN/Vault0: a student's notes on OMG's released code (the options of one run)"),
        'mode = "optimistic" if flag else "conservative"',
        'mode = "optimistic" if flag == "True" else "conservative"',
        "chosen = choose(values, mode)",
        "chosen",
        text_bench,
        text_holds,
        text_told,
        text_look,
        partial(text_bench, said="True"),
    ),
    SHIFTED,
)

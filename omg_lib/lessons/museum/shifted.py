"""The exhibit of a mask that is one step late: every ending is lost, but the sum of the mask is still right."""

from __future__ import annotations

import torch
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.lessons.museum.exhibit import SHOWN, Exhibit, Names, Places, verdict
from omg_lib.predict import predict
from omg_lib.words import N_, _

COLUMNS = {-3: "n - 3", -2: "n - 2", -1: "n - 1", 0: "n", 1: "n + 1"}
"""The rows to draw around an episode's end; its n steps are rows 0 to n - 1, and row n is only observed."""


def ends_bench(config: OMGConfig) -> Names:
    """What PyMARL's learner knows of G episodes, as floats: `filled` [G, T, 1], `terminated` and `error` [G, T-1, 1].

    The limit cut off the last episode; the others ended (so does the only one if G = 1). An ending has an error of 1.
    """
    sizes = predict(config).sizes
    G, T = sizes["G"], sizes["T"]
    steps = torch.randint(2, T - 1, (G, 1), generator=torch.Generator().manual_seed(0))
    ended = torch.ones(G, 1, dtype=torch.bool)
    if G > 1:
        steps[-1], ended[-1] = T - 1, False
    last = (torch.arange(T - 1) == steps - 1) & ended
    return dict(sizes) | {
        "filled": (torch.arange(T) <= steps).float().unsqueeze(-1),
        "terminated": last.float().unsqueeze(-1),
        "error": (0.1 + 0.9 * last).unsqueeze(-1),
    }


def steps_of(names: Names) -> Tensor:
    """Return the number of steps of each episode, [G, 1]; T - 1 if it did not end."""
    terminated = names["terminated"][..., 0]
    ended = terminated.any(dim=1, keepdim=True)
    return torch.where(ended, terminated.argmax(dim=1, keepdim=True) + 1, names["T"] - 1)


def played(names: Names) -> Tensor:
    """Return whether each step was actually played, [G, T-1]."""
    return torch.arange(names["T"] - 1) < steps_of(names)


def lost(names: Names) -> int:
    """Count the rows that were filled before the mask was made, and no longer are."""
    filled = torch.arange(names["T"]) <= steps_of(names)
    return int((filled & (names["filled"][..., 0] == 0)).sum())


def counted(names: Names) -> dict[str, int]:
    """Count the endings and the rows of padding (where nothing was played) that the mask includes."""
    counts = names["mask"][..., 0] != 0
    ends = names["terminated"][..., 0] != 0
    return {
        "endings": int((counts & ends).sum()),
        "padding": int((counts & ~played(names)).sum()),
    }


def ends_hold(names: Names) -> bool:
    """Check that the mask covers exactly what was played, and that the batch is unchanged."""
    return torch.equal(names["mask"][..., 0] != 0, played(names)) and not lost(names)


def ends_told(names: Names) -> str:
    counts, mask, gone = counted(names), names["mask"], lost(names)
    told = _(
        "the mask adds up to {counted} of {played} steps, with {endings} of {ended} endings; "
        "rows that count although nothing was played: {padding}"
    ).format(
        counted=int(mask.sum()),
        played=int(played(names).sum()),
        endings=counts["endings"],
        ended=int(names["terminated"].sum()),
        padding=counts["padding"],
    )
    return told + (_("; rows of the batch itself that are no longer filled: {gone}").format(gone=gone) if gone else "")


def ends_look(names: Names) -> Places:
    steps, real, counts = steps_of(names)[:SHOWN, 0].tolist(), played(names), names["mask"][..., 0] != 0

    def cell(episode: int, t: int) -> tuple[str, str]:
        if not 0 <= t < real.shape[1]:
            return "", "plain"
        return f"t{t}", verdict(bool(counts[episode, t]), bool(real[episode, t]))

    cells = tuple(tuple(cell(e, n + after) for after in COLUMNS) for e, n in enumerate(steps))
    words = {
        "right": _("played, and counts"),
        "wrong": _("not played, but counts"),
        "missed": _("played, but does not count"),
    }
    used = {kind for line in cells for _, kind in line}
    words = {kind: said for kind, said in (words | {"plain": "padding"}).items() if kind in used}
    rows = tuple(_("episode {e}").format(e=e) for e in range(len(steps)))
    return Places(_("the mask around the end of each episode of n steps"), rows, tuple(COLUMNS.values()), cells, words)


SHIFTED = Exhibit(
    "shifted",
    N_("A mask that is one step late"),
    N_("oxwhirl/pymarl#16 (what is this line for?) and starry-sky6688/MARL-Algorithms#21 (one step off)"),
    "mask = filled[:, :-1]; mask[:, 1:] *= 1 - terminated[:, 1:]",
    "mask = filled[:, 1:]",
    "loss = (error**2 * mask).sum() / mask.sum()",
    "mask",
    ends_bench,
    ends_hold,
    ends_told,
    ends_look,
)

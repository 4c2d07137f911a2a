"""Pictures of the subgoal prior: how its fit went, and its embedding space as a plane with one battle's path.

The plane is the one that loses least variance: the first two principal components of the embeddings' means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.drawing import INK
from omg_lib.plots.page import svg_frame
from omg_lib.plots.subgoals import RUN_LOOKS
from omg_lib.system.fonts import drawn, new_figure
from omg_lib.words import _

SIDE, MARGIN, LINE = 340, 14, 20
"""Width of the square for the points, its margin, and the height of a line of text below it."""
MARKS = (
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "m0 -3.8l3.6 6.6h-7.2z",
    "m-2.8 -2.8h5.6v5.6h-5.6z",
    "m0 -4l4 4l-4 4l-4 -4z",
)
"""Disc, triangle, square, diamond, drawn around their centre, each in one colour: colour is never the only cue."""


# --- a plane through the embeddings ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plane:
    """A projection of embeddings [., Z] onto the plane of their first two principal components.

    `shares` are the fractions of variance that the two directions keep; the columns of `axes` have length 1.
    """

    mean: Float[Tensor, " Z"]
    axes: Float[Tensor, "Z 2"]
    shares: tuple[float, float]

    def __call__(self, x: Float[Tensor, "*N Z"]) -> Float[Tensor, "*N 2"]:
        return (x - self.mean) @ self.axes


def principal_plane(x: Float[Tensor, "N Z"]) -> Plane:
    """Return the plane for these embeddings. ConfigError for fewer than three, or if all are equal."""
    if len(x) < 3:
        raise ConfigError("embeddings", len(x), _("allowed are 3 or more"))
    mean = x.mean(dim=0)
    __, lengths, directions = torch.linalg.svd(x - mean, full_matrices=False)
    variance = lengths**2
    if not variance.sum() > 0:
        raise ConfigError("embeddings", len(x), _("all are equal; allowed are embeddings that differ"))
    axes = directions[:2].T
    axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()  # SVD leaves the sign open
    return Plane(mean, axes, tuple((variance[:2] / variance.sum()).tolist()))


def latent_svg(
    cloud: Float[Tensor, "N 2"],
    kinds: Int[Tensor, " N"],
    names: Sequence[str],
    path: Float[Tensor, "T 2"],
    now: int,
) -> str:
    """Return the text of an `<svg>` element: a cloud of points, with a mark for each kind, and a path through it.

    | argument | meaning |
    |---|---|
    | kinds, names | the kind of each point, and what each kind is called; up to four |
    | path | one battle, step by step: a line with a dot for each step |
    | now | the step with the ring (class `now`) |

    ConfigError for a kind without a name, or a step outside the path.
    """
    if not 1 <= len(names) <= len(MARKS) or int(kinds.max()) >= len(names) or int(kinds.min()) < 0:
        raise ConfigError(
            "names", list(names), _("allowed is one for each kind, 1 to {marks}").format(marks=len(MARKS))
        )
    if now not in range(len(path)):
        raise ConfigError("now", now, _("allowed is 0 to {path}").format(path=len(path) - 1))
    both = torch.cat([cloud, path])
    low, high = both.amin(dim=0), both.amax(dim=0)
    scale = SIDE / float((high - low).max().clamp(min=1e-6))  # one scale for both directions keeps distances true
    middle = (low + high) / 2
    places = MARGIN + SIDE / 2 + (both - middle) * scale * torch.tensor([1.0, -1.0])
    points, way = places[: len(cloud)].tolist(), places[len(cloud) :].tolist()
    parts = [
        f'<rect x="{MARGIN / 2:g}" y="{MARGIN / 2:g}" width="{SIDE + MARGIN}" height="{SIDE + MARGIN}" fill="none"'
        f' stroke="{INK}"/>'
    ]
    for kind, name in enumerate(names):
        colour, mark = RUN_LOOKS[kind][0], MARKS[kind]
        own = [place for place, k in zip(points, kinds.tolist(), strict=True) if k == kind]
        drawn = "".join(f"M{x:.1f} {y:.1f}{mark}" for x, y in own)
        parts.append(f'<path d="{drawn}" fill="{colour}" fill-opacity="0.6"/>')
        parts.append(_legend(kind, mark, colour, name))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in way)
    parts.append(f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="currentColor"/>' for x, y in way]
    x, y = way[now]
    parts.append(
        f'<circle class="now" cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="currentColor" stroke-width="3"/>'
    )
    width, height = SIDE + 2 * MARGIN, SIDE + 2 * MARGIN + LINE * ((len(names) + 1) // 2) + 4
    said = _("{cloud} embeddings in a plane, and a path of {path} steps; the ring is at step {now}.").format(
        cloud=len(cloud), path=len(path), now=now
    )
    return svg_frame(width, height, said, parts, size=12)


def _legend(kind: int, mark: str, colour: str, name: str) -> str:
    x, y = MARGIN + 6 + (SIDE // 2) * (kind % 2), SIDE + 2 * MARGIN + 12 + LINE * (kind // 2)
    return (
        f'<path transform="translate({x} {y - 4}) scale(1.4)" d="M0 0{mark}" fill="{colour}"/>'
        f'<text x="{x + 12}" y="{y}" fill="currentColor">{escape(name)}</text>'
    )


# --- how a fit went --------------------------------------------------------------------------------------------------


def fit_figure(errors: Mapping[str, Sequence[float]], blind: float) -> Figure:
    """Plot the reconstruction error at each step of up to four fits (`SubgoalPrior.fit`), and a line at `blind`: the
    error of always predicting the mean state. ConfigError for any other number of fits.
    """
    if not 1 <= len(errors) <= len(RUN_LOOKS):
        raise ConfigError("errors", list(errors), _("allowed are 1 to {most} fits").format(most=len(RUN_LOOKS)))
    figure = new_figure(6, 2.8)
    ax = figure.add_subplot()
    for (name, curve), (colour, __), line in zip(errors.items(), RUN_LOOKS, ("-", "--", "-.", ":"), strict=False):
        ax.plot(range(1, len(curve) + 1), curve, line, color=colour, label=name, linewidth=1.3)
    ax.axhline(blind, color=INK, linewidth=1, label=drawn("always the mean state"))
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(drawn("step of the fit"), color=INK, fontsize=9)
    ax.set_ylabel(drawn("squared error per number"), color=INK, fontsize=9)
    ax.set_facecolor("none")
    ax.tick_params(colors=INK, labelsize=8)
    ax.spines[:].set_color(INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25)
    figure.legend(fontsize=8, frameon=False, labelcolor=INK, loc="outside right upper")
    return figure

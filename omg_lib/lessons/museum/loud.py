"""Exhibits that stop with a message: two sizes that do not match, because of an axis that was overlooked.

Messages and lines come from real threads and notes. Sizes come from the configuration: 8 agents and a batch_size of 32
give the reported numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange, repeat
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.learners.mixers import VDNMixer
from omg_lib.lessons.museum.exhibit import Exhibit, Names, Operands
from omg_lib.predict import predict
from omg_lib.subgoals import SubgoalPrior
from omg_lib.words import N_, _

NOTES = N_("OVERANDAGAIN/Vault0: a student's notes on OMG's released code")
LONGEST = 67
"""Rows of the longest episode in the sample of the reported run; 2112 is 32 x 66 transitions."""
SPREAD = 25
"""Steps of an episode in the reported run of VDN, on MPE; 800 is 25 x 32."""


def operands(**axes: tuple[str, ...]) -> Callable[[Names], Operands]:
    """Return a function that draws tensors by name, using the first reading with as many axes as the tensor."""

    def look(names: Names) -> Operands:
        return Operands({name: named_axes(names[name], readings) for name, readings in axes.items()})

    return look


def named_axes(x: Tensor, readings: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return (axis, size) of every axis; "?" if no reading has as many axes as x."""
    split = (reading.split() for reading in readings)
    letters = next((axes for axes in split if len(axes) == x.ndim), ["?"] * x.ndim)
    return tuple(zip(letters, x.shape, strict=True))


def sized(name: str) -> Callable[[Names], str]:
    """Return a function that describes the shape of the result."""
    return lambda names: _("{name} is {shape}").format(name=name, shape=list(names[name].shape))


# --- a field of the scheme -------------------------------------------------------------------------------------------


def scheme_bench(config: OMGConfig) -> Names:
    """A learner that needs the inferred means that acting stored in the buffer, and `field`, which fetches them.

    As in the released code, a field with a group keeps each seat's own slice, and a field without one gains an agent
    axis.
    """
    sizes = predict(config).sizes
    A, G, T, Z = (sizes[letter] for letter in "AGTZ")
    labels = torch.arange(float(G * A * T * A)).reshape(G, A, T, A)

    def field(vshape: tuple[int, ...], group: str | None = None) -> Tensor:
        if group is None:
            stored = torch.zeros(1).expand(G, A, T, *vshape)
            return rearrange(stored, "g a t ... -> g t a ...")
        if group != "agents":
            raise ValueError(f"there is no group {group!r}: allowed is 'agents'")
        tail = [1] * len(vshape)
        own = [labels[:, a, :, a].reshape(G, T, *tail).expand(G, T, *vshape) for a in range(A)]
        return torch.stack(own, dim=2)

    cvae_mu = torch.randn(G, T - 1, A, Z, generator=torch.Generator().manual_seed(0))
    return dict(sizes) | {"field": field, "cvae_mu": cvae_mu}


def scheme_holds(names: Names) -> bool:
    """Check that every slot is compared with what its own seat stored: labels encode episode, step and seat."""
    G, A, T = (names[letter] for letter in "GAT")
    g, t, a = torch.meshgrid(torch.arange(G), torch.arange(T - 1), torch.arange(A), indexing="ij")
    label = ((g * A + a) * T + t) * A + a
    return torch.equal(names["gap"], names["cvae_mu"] - label.unsqueeze(-1))


def scheme_exhibit(key: str, title: str, wrong: str, stored: str) -> Exhibit:
    """Make an exhibit of a wrong entry in the scheme; all of them fail in the same place."""
    return Exhibit(
        key,
        title,
        NOTES,
        wrong,
        'infer_mu = field((Z,), group="agents")',
        "infer_mu = infer_mu[:, :-1].squeeze(-1)\ngap = cvae_mu - infer_mu",
        "gap",
        scheme_bench,
        scheme_holds,
        sized("gap"),
        operands(cvae_mu=("G T-1 A Z",), infer_mu=(stored, "G T-1 A Z")),
    )


# --- a mask for every seat -------------------------------------------------------------------------------------------


def mask_bench(config: OMGConfig) -> Names:
    """States of a sample [G, T-1, S], a VAE over states, and a mask repeated for every seat."""
    sizes = predict(config).sizes
    A, G, S = (sizes[letter] for letter in "AGS")
    steps = min(LONGEST, sizes["T"]) - 1
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, steps + 1, (G, 1), generator=generator)
    filled = torch.arange(steps) < lengths
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        prior = SubgoalPrior(S, sizes["Z"]).requires_grad_(False)
    return dict(sizes) | {
        "filled": filled,
        "state": torch.randn(G, steps, S, generator=generator),
        "mask": repeat(filled.float(), "g u -> (g u a) 1", a=A),
        "vae": lambda x: prior.decoder(prior(x)[0]),
    }


def mask_holds(names: Names) -> bool:
    """Check the mean over what was played, episode by episode: repeating a state does not change a mean."""
    state, filled, vae = names["state"], names["filled"], names["vae"]
    errors = torch.cat([((vae(x) - x)[played] ** 2) for x, played in zip(state, filled, strict=True)])
    return torch.allclose(names["loss"], errors.mean(), rtol=1e-4)


# --- a mixer that swallows the batch ---------------------------------------------------------------------------------


def mixer_bench(config: OMGConfig) -> Names:
    """Rewards [T, G, 1] and the seats' values [T, G, A], time first, as the reported code keeps them."""
    sizes = predict(config).sizes
    steps, generator = min(SPREAD, sizes["L"]), torch.Generator().manual_seed(0)
    return dict(sizes) | {
        "T": steps,
        "reward": torch.randn(steps, sizes["G"], 1, generator=generator),
        "q": torch.randn(steps, sizes["G"], sizes["A"], generator=generator),
        "gamma": config.gamma,
    }


def mixer_holds(names: Names) -> bool:
    """Check step by step against the library's own mixer, which reads no state."""
    reward, q, mixer = names["reward"], names["q"], VDNMixer()
    right = [r + names["gamma"] * mixer(now, now).unsqueeze(-1) for r, now in zip(reward, q, strict=True)]
    return names["target"].shape == reward.shape and torch.allclose(names["target"], torch.stack(right), atol=1e-5)


LOUD = (
    scheme_exhibit(
        "field-obs",
        N_("A field as wide as obs"),
        "infer_mu = field((O, Z))",
        "G T-1 A O Z",
    ),
    scheme_exhibit(
        "field-seats",
        N_("A field that has its own seats, and gains them again"),
        "infer_mu = field((A, Z))",
        "G T-1 A A Z",
    ),
    scheme_exhibit(
        "field-one",
        N_("A field declared like a reward"),
        "infer_mu = field((1,))",
        "G T-1 A",
    ),
    Exhibit(
        "mask",
        N_("A mask for each seat, but one state for all"),
        NOTES,
        'inputs = rearrange(state, "g t s -> (g t) s")',
        'inputs = repeat(state, "g t s -> (g t a) s", a=A)',
        "gap = inputs * mask - vae(inputs) * mask\nloss = (gap**2).sum() / (mask.sum() * S)",
        "loss",
        mask_bench,
        mask_holds,
        lambda names: _("inputs is {shape}, the loss {loss:.3f}").format(
            shape=list(names["inputs"].shape), loss=names["loss"]
        ),
        operands(inputs=("rows S",), mask=("rows 1",)),
    ),
    Exhibit(
        "mixer",
        N_("A mixer that swallows the batch"),
        "marlbenchmark/off-policy#13",
        "q_tot = q.sum(dim=-1).view(-1, 1, 1).squeeze(-1)",
        'q_tot = reduce(q, "t g a -> t g 1", "sum")',
        "target = reward + gamma * q_tot",
        "target",
        mixer_bench,
        mixer_holds,
        sized("target"),
        operands(reward=("T G 1",), q_tot=("T*G 1", "T G 1")),
    ),
)

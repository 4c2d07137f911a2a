"""Subgoal priors on disk: what `experiment.pretrain` fitted to the states that a pool of teammates visits (Eq. 10).

A file is safetensors: the weights of one `SubgoalPrior`, and how it was made as metadata. It cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.subgoals import SubgoalPrior
from omg_lib.system.files import TensorFile, open_tensors, parse_json, reason, write_tensors
from omg_lib.words import _


def save_prior(prior: SubgoalPrior, path: str | Path, made: dict[str, object]) -> None:
    """Write a prior and how it was made. ConfigError if it cannot be written."""
    try:
        weights = prior.state_dict()
        arrays = {key: x.numpy(force=True) for key, x in weights.items()}
        write_tensors(Path(path), arrays, {"made": json.dumps(made | {"sha256": digest(weights)})})
    except (OSError, ValueError) as error:
        allowed = _("cannot be written ({reason}); allowed is a writable file").format(reason=reason(error)[:80])
        raise ConfigError("out", str(path), allowed) from None


def digest(weights: dict[str, Tensor]) -> str:
    """Return the SHA-256 of named tensors."""
    found = hashlib.sha256()
    for key, x in sorted(weights.items()):
        found.update(key.encode() + x.contiguous().numpy().tobytes())
    return found.hexdigest()


def load_prior(prior: SubgoalPrior, path: str | Path) -> None:
    """Read weights into a prior. ConfigError, before anything is trained, for a damaged file, another width, or NaN."""
    try:
        with open_tensors(path) as file:
            _read_prior(prior, path, file)
    except ConfigError:
        raise
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise ConfigError(
            "prior", str(path), _("is not a readable prior ({reason})").format(reason=reason(error)[:80])
        ) from None


def _read_prior(prior: SubgoalPrior, path: str | Path, file: TensorFile) -> None:
    saved = parse_json(file.metadata.get("made", "{}")).get("sha256")
    found = file.layout["encoder.0.weight"][1][1], file.layout["mu.weight"][1][0]
    wanted = prior.encoder[0].in_features, prior.mu.out_features
    if found != wanted:
        sizes = "obs_dim={} and subgoal_dim={}"
        allowed = _("it is for {found}, this run has {wanted}").format(
            found=sizes.format(*found), wanted=sizes.format(*wanted)
        )
        raise ConfigError("prior", str(path), allowed)
    layout = {key: (str(x.dtype).removeprefix("torch."), tuple(x.shape)) for key, x in prior.state_dict().items()}
    for key, (__, shape) in layout.items():
        if file.layout.get(key, ("", None))[1] != shape:
            raise ConfigError(
                "prior",
                str(path),
                _("its weights {key} are missing, or are not {shape}").format(key=key, shape=list(shape)),
            )
    try:
        weights = {key: torch.from_numpy(x) for key, x in file.arrays(layout).items()}
    except (OSError, ValueError) as error:
        raise ConfigError("prior", str(path), _("its weights {reason}").format(reason=reason(error))) from None
    if saved not in (None, digest(weights)):
        raise ConfigError("prior", str(path), _("its weights differ from those that were saved: the file is damaged"))
    prior.load_state_dict(weights)

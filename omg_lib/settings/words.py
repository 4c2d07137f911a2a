"""Settings typed as text, `lr=0.001`: each becomes the type that its field declares."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from omg_lib.config import ConfigError, OMGConfig, check_names, own_settings
from omg_lib.words import _

FLAGS = {"true": True, "false": False}
NOTHING = ("none", "null")
WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")
"""A whole number of 64 bits as people write it; Python also reads 1_000 and other scripts' digits."""
WORD_NONE = ("teammates",)
"""Fields in which "none" is a separate choice."""
KINDS = {field.name: str(field.type) for field in dataclasses.fields(OMGConfig)}
"""Name of a field -> its type, as declared."""
DEFAULTS = {field.name: field.default for field in dataclasses.fields(OMGConfig)}


def kinds_of(*learners: object) -> dict[str, str]:
    """Return the type of each setting that configurations of these learners have, with registered learners' own."""
    own = {key: type(value).__name__ for learner in learners for key, value in own_settings(learner).items()}
    return KINDS | own


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration's settings, as `to_dict` gives them, with a registered learner's own ones beside them."""
    return {key: value for key, value in values.items() if key != "extra"} | dict(values.get("extra") or {})


def typed(kind: str, text: str, or_word: bool = False) -> object:
    """Convert a text to this type, or return it unchanged if that fails: OMGConfig then refuses it by name. With
    `or_word`, "none" is a separate choice.
    """
    low = text.strip().lower()
    if "None" in kind and low in NOTHING and not or_word:
        return None
    with suppress(ValueError):
        if kind.startswith("int"):
            return int(text) if WHOLE.fullmatch(text) else text
        if kind.startswith("float"):
            return float(text)
    if kind.startswith("Mapping"):
        with suppress(ValueError):
            return json.loads(text)
    return FLAGS.get(low, text) if kind == "bool" else text


def assigned(words: Iterable[str], name: str = "set") -> dict[str, str]:
    """Split words such as `lr=0.001`. ConfigError for another form, and for a repeated name."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip().replace("-", "_").removeprefix("extra.")
        if not equals or not key:
            raise ConfigError(name, word, _("allowed is NAME=VALUE, such as lr=0.001"))
        if key in found:
            raise ConfigError(
                name,
                word,
                _("{key}={value} is given as well; allowed is one of the two").format(key=key, value=found[key]),
            )
        found[key] = text
    return found


def settings_of(
    words: Iterable[str] | Mapping[str, str], learner: object = None, name: str = "set"
) -> dict[str, object]:
    """Return the settings in words such as `lr=0.001`, each with its type. The words may name the learner, whose own
    settings are then known too; otherwise it is `learner`. ConfigError for an unknown name, with the nearest one.
    """
    texts = words if isinstance(words, Mapping) else assigned(words, name)
    kinds = kinds_of(texts.get("learner", learner))
    check_names(name, texts, kinds)
    return {key: typed(kinds[key], text, key in WORD_NONE) for key, text in texts.items()}


def joined(*sources: tuple[str, Mapping[str, object]]) -> dict[str, object]:
    """Join settings of equal priority. ConfigError for a setting that occurs twice."""
    found: dict[str, object] = {}
    for where, settings in sources:
        for key, value in settings.items():
            if key in found:
                raise ConfigError(
                    key, value, _("{where} and another option give it; allowed is one of the two").format(where=where)
                )
            found[key] = value
    return found

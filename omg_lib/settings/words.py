"""Settings typed as text, `lr=0.001`: each becomes the type that its field declares."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

from omg_lib.config import ConfigError, OMGConfig, check_names

FLAGS = {"true": True, "false": False}
NOTHING = ("none", "null")
WORD_NONE = ("teammates",)
"""Fields in which "none" is a choice of its own."""
KINDS = {field.name: str(field.type) for field in dataclasses.fields(OMGConfig)}
"""Name of a field -> its type, as declared."""
DEFAULTS = {field.name: field.default for field in dataclasses.fields(OMGConfig)}


def typed(name: str, text: str) -> object:
    """Return a text as the type of its field, or unchanged where it is none: OMGConfig then refuses it by name."""
    kind, low = KINDS[name], text.strip().lower()
    if "None" in kind and low in NOTHING and name not in WORD_NONE:
        return None
    with suppress(ValueError):
        if kind.startswith("int"):
            return int(text)
        if kind.startswith("float"):
            return float(text)
    if kind.startswith("dict"):
        with suppress(ValueError):
            return json.loads(text)
    return FLAGS.get(low, text) if kind == "bool" else text


def assigned(words: Iterable[str], name: str = "set") -> dict[str, str]:
    """Split words such as `lr=0.001`. ConfigError for another form, for a name twice, and for one that does not exist;
    the nearest one is suggested.
    """
    found: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise ConfigError(name, word, "allowed is NAME=VALUE, such as lr=0.001")
        if key in found:
            raise ConfigError(name, word, f"{key}={found[key]} is given as well; allowed is one of the two")
        found[key] = text
    check_names(name, found)
    return found


def settings_of(words: Iterable[str]) -> dict[str, object]:
    """Return the settings that words such as `lr=0.001` name, each of its field's type."""
    return {key: typed(key, text) for key, text in assigned(words).items()}


def joined(*sources: tuple[str, Mapping[str, object]]) -> dict[str, object]:
    """Join settings of equal rank. ConfigError for one that two of them name."""
    found: dict[str, object] = {}
    for where, settings in sources:
        for key, value in settings.items():
            if key in found:
                raise ConfigError(key, value, f"{where} and another option give it; allowed is one of the two")
            found[key] = value
    return found

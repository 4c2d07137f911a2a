"""Settings in files: JSON, YAML (`.yaml`, `.yml`) or TOML (`.toml`).

A duplicate setting is refused, and so is anything that is not a plain value. YAML reads numbers as JSON does: `5e-4` is
a number.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from omg_lib.config import ConfigError
from omg_lib.system.files import parse_json, read_text, reason
from omg_lib.words import _

MOST_BYTES = 64 * 2**10
"""A larger file is not one of settings: the parsers of YAML and TOML take minutes for a few megabytes."""
DOTS = 100
"""Most dots in a line of TOML. For `a.a.a...` its parser takes time and memory with the square of their number."""
DEPTH = 3
"""Maximum nesting depth of a value: PyMARL's `env_args` contain tables."""


class PlainYaml(yaml.SafeLoader):
    """YAML of plain data, with every name once and without aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError(_("it uses aliases (*name), which are not read"))
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for name, times in names.most_common(1):
            if times > 1:
                raise ValueError(_("{name} is there twice").format(name=str(name)[:40]))
        return super().construct_mapping(node, deep)


PlainYaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read a file of settings, {name: value}. ConfigError if it cannot be read; names and values are not checked."""
    parse = {".yaml": parse_yaml, ".yml": parse_yaml, ".toml": parse_toml}.get(Path(path).suffix.lower(), parse_json)
    try:
        settings = parse(read_text(Path(path), MOST_BYTES))
        _check_plain(settings, DEPTH)
    except RecursionError:
        raise _unreadable(path, ValueError(_("it is nested too deeply"))) from None
    except (OSError, ValueError, OverflowError, yaml.YAMLError) as error:
        raise _unreadable(path, error) from None
    return settings


def parse_yaml(text: str) -> dict[str, Any]:
    """Parse the settings of a YAML file. ValueError or YAMLError if it holds something else."""
    settings = yaml.load(text, PlainYaml)
    if settings is None:
        return {}
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise ValueError(_("it does not hold names with values"))
    return settings


def parse_toml(text: str) -> dict[str, Any]:
    """Parse the settings of a TOML file. ValueError if it holds something else."""
    if any(line.count(".") > DOTS for line in text.splitlines()):
        raise ValueError(_("it is nested too deeply"))
    return tomllib.loads(text)


def _check_plain(value: object, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth == 0:
            raise ValueError(_("it is nested too deeply"))
        for part in value.values() if isinstance(value, dict) else value:
            _check_plain(part, depth - 1)


def _unreadable(path: str | Path, error: Exception) -> ConfigError:
    kind = {".yaml": "YAML", ".yml": "YAML", ".toml": "TOML"}.get(Path(path).suffix.lower(), "JSON")
    allowed = _("is no readable {kind} file ({reason}); allowed is a JSON, YAML or TOML file of settings").format(
        kind=kind, reason=reason(error)
    )
    return ConfigError("config", str(path), allowed)

"""The page of settings: its table has every field with its type and default."""

import re
from pathlib import Path

import omg_lib as omg
from omg_lib.runs.state import MAY_CHANGE
from omg_lib.settings.words import DEFAULTS, KINDS

PAGE = (Path(omg.__file__).parent / "settings" / "README.md").read_text(encoding="utf-8")


def test_the_table_has_every_field():
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| `([^`]*)` \| \S", PAGE, re.M)
    assert rows == [(name, kind.replace(" | ", " or "), str(DEFAULTS[name])) for name, kind in KINDS.items()]


def test_it_names_what_a_continued_run_may_change():
    named = re.search(r"may change (.*?)\. The folder's", PAGE, re.S)[1]
    assert re.findall(r"`(\w+)`", named) == list(MAY_CHANGE)

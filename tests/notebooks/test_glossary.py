"""Every name in the glossary exists here, and its symbols are those of the trace."""

import dataclasses
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import omg_lib as omg
from omg_lib.config import LEARNERS
from omg_lib.contract import LETTERS, axis_size, contract
from omg_lib.envs import env_info

TEXT = (Path(__file__).parents[2] / "notebooks" / "glossary.md").read_text(encoding="utf-8")
HEADS = ("PyMARL", "OMG, released", "here")


def rows() -> list[list[str]]:
    """Return the cells of every row of every table, without headings and rules."""
    lines = [line.strip("|").split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines if line[-1].strip() != HEADS[-1]]


def stages() -> list[dict]:
    return [contract(omg.OMGConfig(n_agents=3, batch_size=2, learner=learner)) for learner in LEARNERS]


FIELDS = {field for stage in stages() for _, fields in stage.values() for field in fields}
MODULES = [omg, *(importlib.import_module(found.name) for found in pkgutil.walk_packages(omg.__path__, "omg_lib."))]


def exists(name: str) -> bool:
    """Return whether this is a field of the trace, a class or function of the library, or a member of a class."""
    first, *rest = name.split(".")
    if not rest and name in FIELDS:
        return True
    for module in MODULES:
        owner = getattr(module, first, None)
        if callable(owner):
            fields = [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(owner) else []
            return not rest or len(rest) == 1 and (rest[0] in fields or hasattr(owner, rest[0]))
    return False


def test_every_row_has_six_cells_in_two_languages():
    assert len(rows()) > 40
    for row in rows():
        assert len(row) == 6 and all(row), row
        assert re.search(r"[\u4e00-\u9fff]", row[2]) and not re.search(r"[\u4e00-\u9fff]", row[1]), row
    heads = [line for line in TEXT.splitlines() if line.startswith("| ") and line.endswith("| here |")]
    assert len(heads) == TEXT.count("\n## ") and all(head.endswith(f"| {' | '.join(HEADS)} |") for head in heads)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_its_name_here_exists(row):
    names = re.findall(r"`([^`]+)`", row[-1])
    assert names and re.sub(r"`[^`]+`|, ", "", row[-1]) == "", "names, and nothing else"
    assert [name for name in names if not exists(name)] == []


def test_a_name_that_does_not_exist_is_found_out():
    assert exists("OMGConfig.sample_size") and exists("EnvInfo.obs_dim") and exists("last_actions")
    assert not exists("OMGConfig.samples") and not exists("refine") and not exists("EnvInfo.obs_dim.x")


def symbols() -> dict[str, str]:
    """Return symbol -> its name here."""
    until = [row[0] for row in rows()].index("episode batch")
    return {row[0]: row[-1].strip("`") for row in rows()[:until]}


def test_symbols_are_those_of_the_trace():
    texts = {text for stage in stages() for _, fields in stage.values() for text, _ in fields.values()}
    axes = {axis for text in texts for axis in text.split() if not axis.isdigit()}
    assert {symbol for symbol in symbols() if len(symbol) == 1} == set(LETTERS)
    assert axes == set(symbols()) - {"L", "A/R"}, "an axis is L + 1 long, never L"


@pytest.mark.parametrize("symbol", [symbol for symbol in symbols() if symbol not in ("T", "T-1", "L+1")])
def test_the_name_of_a_symbol_gives_its_size(symbol):
    config = omg.OMGConfig(n_agents=6, batch_size=5, batch_size_run=3, horizon=7)
    owner, name = symbols()[symbol].split(".")
    value = getattr({"OMGConfig": config, "EnvInfo": env_info(config.env, config.n_agents)}[owner], name)
    sizes = omg.predict(config).sizes
    assert value == (sizes["A"] // sizes["R"] if symbol == "A/R" else axis_size(symbol, sizes))


def test_no_word_comes_twice():
    words = [row[0] for row in rows()]
    assert len(set(words)) == len(words)

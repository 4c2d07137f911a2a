"""The page "Follow your own code" does what it says."""

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import omg_lib.provenance
from tests.helpers.provenance.peers import EPYMARL, PYMARL, build, needs_epymarl, needs_pymarl

PAGE = Path(omg_lib.provenance.__file__).with_name("README.md")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
PLAIN, PEERS = [b for b in BLOCKS if "PyMARL" not in b], [b for b in BLOCKS if "with PyMARL" in b]


def run(source: str, **names) -> SimpleNamespace:
    path = "page.py"
    exec(compile(source, path, "exec"), names)
    return SimpleNamespace(**names)


def test_the_plain_loop_of_the_page():
    source = "\n".join(PLAIN)
    verdict = run(source).found.verdict
    assert verdict.kind == "time"
    numbers = [number for name, number in verdict.lines if name == "page.py"]
    code = [source.splitlines()[number - 1].strip().split(" = ")[0] for number in numbers]
    assert code[0] == "target" and "ahead" in code
    repaired = run(source.replace("update(shift=0)", "update(shift=1)")).found.verdict
    assert repaired is None, str(repaired)


@needs_pymarl
def test_pymarl_as_on_the_page():
    peer = build(PYMARL, mixer="qmix")
    assert run(PEERS[0], batch=peer.batch, learner=peer.learner).found.verdict is None


@needs_epymarl
def test_epymarl_as_on_the_page():
    peer = build(EPYMARL, mixer="vdn", standardise_rewards=False)
    assert run(PEERS[0], batch=peer.batch, learner=peer.learner).found.verdict is None


def test_the_page_is_in_the_package():
    settings = tomllib.loads((PAGE.parents[2] / "pyproject.toml").read_text())
    assert "provenance/README.md" in settings["tool"]["setuptools"]["package-data"]["omg_lib"]

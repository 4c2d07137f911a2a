"""Commands whose disk is full, or whose folder is gone, when they write: one sentence, exit code 1, nothing torn."""

import os
import shutil
from contextlib import contextmanager

import pytest

from omg_lib.__main__ import main
from omg_lib.commands import evaluate, pretrain, train
from omg_lib.experiment import train_pool
from omg_lib.runs.folder import RunFolder

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.slow

BATTLE = ["--env", "skirmish:partners", "--n-agents", "3"]
SMALL = ["--batch-size", "1", "--device", "cpu"]
TRAIN = ["train", *BATTLE, *SMALL, "--learner", "iql", "--set", "rnn_hidden_dim=8", "--updates"]
POOL = ["teammates", *BATTLE, *SMALL, "--algorithms", "iql", "--t-max", "30", "--seeds"]
SCORES = ["evaluate", "--runs", "run", "--episodes", "3", "--splits", "train"]
COMMANDS = {
    "train": ([*TRAIN, "2", "--out", "new"], "new"),
    "resume": (["train", "--resume", "run", "--updates", "3"], "run"),
    "trace": ([*TRAIN, "1", "--trace", "at/file.json"], "at/file.json"),
    "pretrain": (["pretrain", *BATTLE, *"--episodes 6 --steps 5 --out at/file.safetensors".split()],
                 "at/file.safetensors"),
    "teammates": ([*POOL, "2", "--out", "pool"], "pool"),
    "scores": ([*SCORES, "--out", "at/file.csv"], "at/file.csv"),
    "figure": ([*SCORES, "--figure", "at/file.svg"], "at/file.svg"),
    "json": (["shapes", *BATTLE, "--json", "at/file.json"], "at/file.json"),
    "html": (["shapes", *BATTLE, "--html", "at/file.html"], "at/file.html"),
}  # fmt: skip
"""Name -> a command, and what it writes."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, a pool, and an older file of each kind."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "at").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*TRAIN, "2", "--out", "run"]) == 0 and main([*POOL, "1", "--out", "pool"]) == 0
    for name in ("json", "safetensors", "csv", "svg", "html"):
        (folder / "at" / f"file.{name}").write_text("old")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@contextmanager
def largest(size):
    """Let no file grow beyond so many bytes: the writes that fail are those on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder):
    return {str(p.relative_to(folder)): p.is_file() and p.read_bytes() for p in folder.rglob("*") if p.name != ".lock"}


def sentence(capsys):
    """The last line of stderr; the lines before it are progress."""
    out, err = capsys.readouterr()
    *before, last = err.splitlines()
    assert "Traceback" not in out + err and len(last) < 300
    assert all(line.startswith(("update ", "saved ")) for line in before), before
    return last


@pytest.mark.parametrize("size", [0, 150, 2000])
@pytest.mark.parametrize("name", COMMANDS)
def test_on_a_full_disk_what_was_there_stays_and_the_command_works_later(here, capsys, name, size):
    words, target = COMMANDS[name]
    before = contents(here)
    with largest(size):
        code = main(words)
    if code == 0:  # the file was small enough
        assert name == "scores" and size == 2000
        return
    assert code == 1
    assert "File too large" in sentence(capsys)
    after = contents(here)
    assert not [path for path in after if path.endswith(".draft")]
    if name in ("train", "resume"):
        grown = {"run/config.json", "run/changes.csv", "run/metrics.csv"}
        assert {path: after[path] for path in before if path not in grown} == {
            path: text for path, text in before.items() if path not in grown
        }
        assert not [path for path in after if "update-" in path and path not in before]
    else:
        assert after == before
    assert main(words) == 0
    if name == "resume":
        assert (here / "run" / "changes.csv").read_text().startswith("update,setting,before,after\n2,updates,2,3\n")
    assert contents(here) != before and os.path.exists(target)


# --- a folder that is gone -------------------------------------------------------------------------------------------

WORK = {
    "train": (RunFolder, "record"), "resume": (RunFolder, "record"), "trace": (train, "result_line"),
    "pretrain": (pretrain, "pretrain"), "teammates": (train_pool, "train_member"), "scores": (evaluate, "scores_of"),
    "figure": (evaluate, "scores_of"),
}  # fmt: skip
"""Name of a command -> the work between its checks and its writing; `shapes` has none."""


@pytest.mark.parametrize("link", [False, True], ids=["removed", "replaced by a link"])
@pytest.mark.parametrize("name", WORK)
def test_a_folder_that_goes_while_the_command_works_is_one_sentence(here, capsys, monkeypatch, name, link):
    (words, target), (owner, step) = COMMANDS[name], WORK[name]
    folder, work = here / target.split("/")[0], getattr(owner, step)
    (here / "other").mkdir()

    def lost(*args, **named):
        if folder.exists() and not folder.is_symlink():
            folder.rename(here.parent / "moved")
            if link:
                folder.symlink_to("other")
        return work(*args, **named)

    monkeypatch.setattr(owner, step, lost)
    before = contents(here)
    assert main(words) == 1
    said = sentence(capsys)
    assert "removed, moved or replaced" in said or "No such file" in said
    assert "resume from update" not in said
    kept = {path: text for path, text in before.items() if path.split("/")[0] != folder.name}
    assert {path: text for path, text in contents(here).items() if path.split("/")[0] != folder.name} == kept
    assert os.path.lexists(folder) == link

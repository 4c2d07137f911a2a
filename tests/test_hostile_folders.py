"""A run's folder from someone else: whatever it contains, nothing outside changes and nothing hangs."""

import json
import os
import shutil
import sys
import threading

import pytest
import torch

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.config import ConfigError, RunError
from omg_lib.runs.claims import Claim
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from omg_lib.system.files import defused, open_tensors, read_rows, write_tensors
from tests.helpers.batches import echo_registered, short_pretraining

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows"),
    pytest.mark.timeout(120),
]


def config(**changes):
    settings = dict(env="echo", n_agents=2, batch_size=1, learner="iql", device="cpu", updates=4, test_nepisode=1)
    return omg.OMGConfig(**settings | dict(teammates="scripted", buffer_size=8, rnn_hidden_dim=4) | changes)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run that was stopped after two updates of four."""
    path = tmp_path_factory.mktemp("begun") / "run"
    with omg.Training(config(updates=2)) as run:
        folder = RunFolder.create(path, config(updates=2))
        for report in run:
            folder.record(report)
            folder.save(run)
    folder.close()
    return path


@pytest.fixture
def outside(tmp_path):
    """Another user's files, including a whole run; they must not change."""
    outside = tmp_path / "outside"
    (outside / "update-000000001").mkdir(parents=True)
    for name in ("precious.txt", "000000000.safetensors", "update-000000001/state.json"):
        (outside / name).write_text("precious")
    before = {path: path.is_file() and (path.read_bytes(), path.stat().st_mtime_ns) for path in outside.rglob("*")}
    yield outside
    assert {p: p.is_file() and (p.read_bytes(), p.stat().st_mtime_ns) for p in outside.rglob("*")} == before


LINKS = {
    ".lock": "precious.txt", "metrics.csv": "precious.txt", "config.json": "precious.txt", "checkpoints": ".",
    "checkpoints/episodes": ".", "checkpoints/episodes/000000000.safetensors": "000000000.safetensors",
    "checkpoints/episodes/000000002.safetensors": "new", "checkpoints/update-000000002": "update-000000001",
    "checkpoints/update-000000002/state.json": "precious.txt", "checkpoints/update-000000009": ".",
    "checkpoints/update-000000002/weights.safetensors": "precious.txt", "checkpoints/.update-000000003": ".",
    "checkpoints/damaged-update-000000009": ".", "metrics.damaged.csv": "precious.txt", ".x.draft": ".",
}  # fmt: skip
"""A name in a run's folder -> its target outside."""
KINDS = ["link", "pipe", "device"]


def spoil(folder, name, kind, outside):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else outside / LINKS[name])


def go_on(make, settings):
    """Train to the end, or be refused in one sentence."""
    try:
        with omg.Training(settings) as run:
            for _ in follow(run, make(run)):
                pass
    except (ConfigError, RunError) as error:
        assert "\n" not in str(error) and len(str(error)) < 400


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LINKS)
def test_resuming_touches_nothing_outside(tmp_path, begun, outside, name, kind):
    shutil.copytree(begun, tmp_path / "run")
    spoil(tmp_path / "run", name, kind, outside)
    go_on(lambda run: RunFolder.resume(tmp_path / "run", run), config())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:update-")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LINKS)
def test_loading_touches_nothing_outside(tmp_path, begun, outside, name, kind):
    shutil.copytree(begun, tmp_path / "run")
    spoil(tmp_path / "run", name, kind, outside)
    go_on(lambda run: omg.load(tmp_path / "run").close(), config(updates=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LINKS)
def test_beginning_touches_nothing_outside(tmp_path, outside, name, kind):
    spoil(tmp_path / "run", name, kind, outside)
    go_on(lambda run: RunFolder.create(tmp_path / "run", run.config), config(updates=2))


def test_the_command_line_says_which_link_in_one_line(tmp_path, begun, outside, capsys):
    shutil.copytree(begun, tmp_path / "run")
    spoil(tmp_path / "run", ".lock", "link", outside)
    assert main(["train", "--resume", str(tmp_path / "run"), "--updates", "4"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and ".lock is a link, which is not followed" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_checkpoint_with_a_terminals_commands_in_its_name_is_named_without_them(tmp_path, begun):
    shutil.copytree(begun, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "update-999\n\x1b]0;mine\x07\u202e").mkdir()
    with omg.Training(config()) as run:
        folder = RunFolder.resume(tmp_path / "run", run)
        folder.close()
    assert "update-999" in folder.notice and folder.notice.isprintable()
    assert str(RunError("a\x1b[2Jb\u202e\nc")) == "a [2Jb  c"


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path, begun):
    shutil.copytree(begun, tmp_path / "run")
    (tmp_path / "way").symlink_to(tmp_path / "run", target_is_directory=True)
    with omg.Training(config()) as run:
        assert len(list(follow(run, RunFolder.resume(tmp_path / "way", run)))) == 2


# --- a folder that is gone -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["record", "save"])
@pytest.mark.parametrize("again", [False, True], ids=["gone", "another in its place"])
def test_a_folder_that_vanished_is_not_said_to_be_resumable(tmp_path, how, again):
    path = tmp_path / "run"
    with omg.Training(config()) as run:
        folder = RunFolder.create(path, config())
        reports = iter(run)
        folder.record(next(reports))
        folder.save(run)
        report = next(reports)
        shutil.rmtree(path)
        if again:
            other = RunFolder.create(path, config(seed=3))
        before = sorted(path.rglob("*"))
        with pytest.raises(RunError, match="removed, moved or replaced.*; there is no checkpoint to resume from"):
            folder.record(report) if how == "record" else folder.save(run)
    assert sorted(path.rglob("*")) == before and path.exists() == again
    if again:
        other.close()


# --- two writers -----------------------------------------------------------------------------------------------------


def test_two_writers_are_refused_within_one_process(tmp_path, begun):
    shutil.copytree(begun, tmp_path / "run")
    said = []

    def second():
        with omg.Training(config()) as other, pytest.raises(ConfigError, match="another run, in this process") as error:
            RunFolder.resume(tmp_path / "run", other)
        said.append(str(error.value))

    with omg.Training(config()) as run:
        folder = RunFolder.resume(tmp_path / "run", run)
        second()
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert len(said) == 2 and len(list(follow(run, folder))) == 2


def test_a_loop_that_ended_lets_others_in_and_is_refused_when_they_have_gone_on(tmp_path):
    path = tmp_path / "run"
    with omg.Training(config(updates=1)) as run, omg.Training(config()) as other:
        folder = RunFolder.create(path, run.config)
        assert len(list(follow(run, folder))) == 1
        folder.save(run)  # nothing is new, so it releases the folder
        assert len(list(follow(other, RunFolder.resume(path, other)))) == 3
        run.config = config()
        with pytest.raises(RunError, match="another run has continued there"):
            list(follow(run, folder))
    assert omg.load(path).update == 4


# --- weights ---------------------------------------------------------------------------------------------------------


def test_weights_that_are_no_numbers_become_no_checkpoint(tmp_path):
    with omg.Training(config()) as run:
        folder = RunFolder.create(tmp_path / "run", config())
        next(iter(run))
        folder.save(run)
        run.update = 2
        with torch.no_grad():
            next(run.learner.agent.parameters()).view(-1)[0] = float("nan")
        with pytest.raises(RunError, match="update 2 left NaN or infinity in agent.* resume from update-000000001"):
            folder.save(run)
    folder.close()
    with omg.load(tmp_path / "run") as run:
        assert run.update == 1


@pytest.mark.parametrize("eps", [0, 1e-300, 1e-30])
def test_an_epsilon_that_float32_takes_for_nothing_is_refused(eps):
    with pytest.raises(ConfigError, match="optim_eps=.*allowed is 1e-20 or more"):
        config(optim_eps=eps)


def test_a_file_that_is_cut_while_it_is_read_is_a_sentence(tmp_path):
    path = tmp_path / "weights.safetensors"
    arrays = {"x": torch.arange(2**18).float().numpy()}
    write_tensors(path, arrays)
    with open_tensors(path) as file:
        os.truncate(path, 5000)
        with pytest.raises(ValueError, match="weights.safetensors is truncated"):
            file.arrays({"x": ("float32", (2**18,))})


# --- names and races -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_system_takes_is_one_sentence(name):
    trace = omg.predict(config())
    for way in (lambda: RunFolder.create(name, config()), lambda: omg.load(name), lambda: omg.results(name),
                lambda: trace.save(name), lambda: omg.ShapeTrace.load(name)):  # fmt: skip
        with pytest.raises(ConfigError) as error:
            way()
        assert str(error.value).isprintable()


def test_a_run_that_began_and_ended_meanwhile_is_not_overwritten(tmp_path, begun, monkeypatch):
    take = Claim.take

    def late(claim):
        monkeypatch.setattr(Claim, "take", take)
        shutil.copytree(begun, tmp_path / "run", dirs_exist_ok=True)
        claim.take()

    monkeypatch.setattr(Claim, "take", late)
    with pytest.raises(ConfigError, match="already holds a run"):
        RunFolder.create(tmp_path / "run", config(seed=3))
    monkeypatch.undo()
    with omg.load(tmp_path / "run") as run:
        assert run.update == 2


@pytest.mark.parametrize("device", ['cpu,"x",y', "=1+1", "@SUM(A1)"])
def test_a_changed_setting_is_one_cell_of_changes_csv_and_no_formula(tmp_path, begun, device):
    shutil.copytree(begun, tmp_path / "run")
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps(saved | {"device": device}))
    with omg.Training(config()) as run:
        RunFolder.resume(tmp_path / "run", run).close()
    changes = read_rows(tmp_path / "run" / "changes.csv")
    assert [row["before"] for row in changes if row["setting"] == "device"] == [defused(device)]


def test_what_is_printed_of_a_folder_holds_no_command_for_a_terminal(tmp_path, capsys):
    with omg.Training(config(updates=1)) as run:
        list(follow(run, RunFolder.create(tmp_path / "a\x1b[2J\u202eb", run.config)))
    said = capsys.readouterr().err
    assert "saved" in said and said.removesuffix("\n").isprintable()

"""Games in processes: the same results; dead and hung workers; nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

import omg_lib as omg
from omg_lib.__main__ import failure
from omg_lib.distributed import processes
from omg_lib.distributed.processes import Processes
from omg_lib.envs import GameLost, make_env
from tests.envs.test_contract import look, random_actions, same, stories
from tests.helpers import toys
from tests.helpers.toys import LIMIT, Toy, toy_registered

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def toy():
    with toy_registered():
        yield


def workers(env):
    return [worker.process.pid for worker in env._workers]


def alive(pid):
    """Return whether a process exists, as a zombie or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", ["skirmish:partners", "toy"])
def test_results_are_those_of_one_process_bit_for_bit(name):
    """Step by step, with scripts and frames, and beyond the end of rows that end early."""
    rows = 3
    here = make_env(name, 3, batch=rows, seed=4)
    with closing(Processes(3, batch=rows, seed=4, name=name)) as there:
        assert here.info == there.info
        for env in (here, there):
            env.reset(first=7)
        styles, time = np.arange(9).reshape(3, 3) % len(here.info.styles), 0
        done = torch.zeros(rows, dtype=torch.bool)
        while not done.all():
            one, other = look(here), look(there)
            assert all(torch.equal(one[key], other[key]) for key in one)
            assert np.array_equal(here.episode, there.episode)
            actions = here.scripted_actions(styles)
            assert torch.equal(actions[~done], there.scripted_actions(styles)[~done])
            for row in range(rows):
                frames = here.frame(row), there.frame(row)
                assert frames[0].keys() == frames[1].keys()
                assert all(np.array_equal(frames[0][key], frames[1][key]) for key in frames[0])
            reward, done, info = here.step(actions)
            same_reward, same_done, same_info = there.step(actions)
            assert torch.equal(reward, same_reward) and torch.equal(done, same_done)
            assert info.keys() == same_info.keys()
            assert all(torch.equal(info[key], same_info[key]) for key in info)
            time += 1
        assert time > 2
        for env in (here, there):
            env.reset(first=20)
        told, same_told = stories(here, 4), stories(there, 4)
        assert told.keys() == same_told.keys() and all(same(told[k], same_told[k]) for k in told)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "died in a step", "hung"])
def test_a_lost_worker_is_replaced_and_its_episodes_begin_again(how, tmp_path):
    trap = tmp_path / "trap"
    deed = {"killed": "none", "died in a step": "die", "hung": "hang"}[how]
    with closing(Processes(2, batch=2, name="toy", patience=240, trap=str(trap), deed=deed)) as env:
        env.reset()
        told = stories(env, 4)
        env.reset(first=0)
        before = workers(env)
        if how == "killed":
            os.kill(before[1], signal.SIGKILL)
            expected = "the process of row 1 died"
        else:
            env.step(random_actions(env, [0, 0]))
            trap.touch()
            env.patience = 10 if how == "hung" else env.patience  # the other row needs a thousandth of that
            expected = "died" if how == "died in a step" else "did not answer for 10 seconds"
        with pytest.raises(GameLost, match=expected):
            for t in (0, 1) if how == "killed" else (1,):
                env.step(random_actions(env, [t, t]))
        env.patience = 240
        after = workers(env)
        assert len(set(before) & set(after)) == 1 and not any(alive(pid) for pid in set(before) - set(after))
        env.reset(first=0)
        again = stories(env, 4)
        assert told.keys() & again.keys() >= {0, 1}
        assert all(same(told[k], again[k]) for k in told.keys() & again.keys())
    assert not any(alive(pid) for pid in after)


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_trains_as_if_nothing_had_happened():
    def trained(kill):
        changes = dict(batch_size=2, batch_size_run=2, learner="iql", updates=3, rnn_hidden_dim=4, device="cpu")
        config = omg.OMGConfig(env="toy", n_agents=2, runner="processes" if kill else "local", **changes)
        with omg.Training(config) as run:
            for report in run:
                if kill and report.update == 1:
                    os.kill(workers(run.env)[0], signal.SIGKILL)
            assert omg.compare(omg.predict(config), run.trace) == []
            return [report.metrics, {key: x.clone() for key, x in run.controller.agent.state_dict().items()}]

    metrics, weights = trained(kill=False)
    with pytest.warns(UserWarning, match="the process of row 0 died"):
        same_metrics, same_weights = trained(kill=True)
    assert metrics == same_metrics
    assert all(torch.equal(weights[key], same_weights[key]) for key in weights)


@pytest.mark.slow
def test_tests_play_in_the_processes_of_training_and_count_each_battle_once():
    changes = dict(n_agents=3, env="skirmish:partners", learner="iql", batch_size=1, batch_size_run=3, device="cpu")
    found = {}
    for runner in ("local", "processes"):
        with omg.Training(omg.OMGConfig(runner=runner, test_nepisode=5, **changes)) as run:
            found[runner] = run.test()
            if runner == "processes":
                assert run._test_runner is run.runner
    assert found["local"] == found["processes"]


def test_an_answer_on_which_nobody_waited_is_passed_by(monkeypatch):
    """Like interrupting a cell in the middle of a step and then running the next one."""
    with closing(Processes(2, batch=2, name="toy")) as env:
        env.reset()
        told = stories(env, 4)
        env.reset(first=0)
        with monkeypatch.context() as patch:
            patch.setattr(processes.Worker, "answer", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                env.step(random_actions(env, [0, 0]))
        env.reset(first=0)
        again = stories(env, 4)
        assert told.keys() == again.keys() and all(same(told[k], again[k]) for k in told)


def test_an_error_of_a_game_comes_over_as_it_is(tmp_path):
    trap = tmp_path / "trap"
    with closing(Processes(2, batch=2, name="toy", trap=str(trap), deed="fail")) as env:
        env.reset()
        env.step(random_actions(env, [0, 0]))
        trap.touch()
        with pytest.raises(ZeroDivisionError, match="a fault of the game") as raised:
            env.step(random_actions(env, [1, 1]))
        (note,) = raised.value.__notes__
        assert note.startswith("In the game's process:\nTraceback") and "toys.py" in note
        assert "(toys.py:" in failure(raised.value, debug=False)
        env.reset(first=0)
        env.step(random_actions(env, [0, 0]))


def test_what_cannot_begin_is_refused_and_leaves_nothing_behind(monkeypatch):
    with pytest.raises(omg.ConfigError, match="n_agents=9"):
        Processes(9, name="toy")
    with pytest.raises(TypeError, match="colour"):
        Processes(2, name="toy", colour="red")
    local = type("Local", (Toy,), {})
    monkeypatch.setitem(omg.envs.ENVIRONMENTS, "toy", local)
    with pytest.raises(omg.ConfigError, match="runner='processes': Local cannot be sent.*defined in a module"):
        Processes(2, name="toy")
    monkeypatch.setattr(toys, "Local", local, raising=False)  # here it has a name, in the worker it does not
    local.__module__ = toys.__name__
    with pytest.raises(omg.ConfigError, match="died before it was ready.*__main__"):
        Processes(2, batch=2, name="toy")


def test_games_step_at_the_same_time(tmp_path):
    """Each of four games goes on only when all of them are in the same step: in turn they would never."""
    with closing(Processes(2, batch=4, name="toy", patience=240, meet=str(tmp_path), guests=4)) as env:
        env.reset(first=0)
        for _ in range(LIMIT):
            _, done, _ = env.step(np.ones((4, 2), int))
    assert done.all() and len(list(tmp_path.iterdir())) == 4 * LIMIT


def family(pid):
    """Return all descendants of a process, from /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below, found = {pid}, set()
    while below := {child for child, parent in parents.items() if parent in below} - found:
        found |= below
    return found


COMMAND = (
    "-m omg_lib train --env skirmish --n-agents 2 --learner iql --batch-size 2 --batch-size-run 2 --runner processes"
)
SCRIPT = """
import sys
import omg_lib as omg
config = omg.OMGConfig(n_agents=2, learner="iql", batch_size=2, batch_size_run=2, runner="processes")
for report in omg.Training(config):
    print(f"update {report.update},", file=sys.stderr, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="reads the family of a process from /proc")
@pytest.mark.parametrize("how", ["Ctrl-C", "kill -9"])
def test_nothing_is_left_of_a_run_that_is_stopped(how):
    """Ctrl-C reaches every process of the terminal, kill only the run: here a script from stdin, which no process could
    load again.
    """
    command = COMMAND.split() if how == "Ctrl-C" else ["-"]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run = subprocess.Popen([sys.executable, *command], text=True, start_new_session=True, **pipes)
    run.stdin.write(SCRIPT)
    run.stdin.close()
    said = ""
    while "update 1," not in said:
        line = run.stderr.readline()
        assert line, said
        said += line
    below = family(run.pid)
    assert len(below) >= 3, "two workers, and the process that starts them"
    if how == "Ctrl-C":
        os.killpg(run.pid, signal.SIGINT)
    else:
        run.kill()
    errors = run.stderr.read()
    assert run.wait(240) == (130 if how == "Ctrl-C" else -signal.SIGKILL)
    assert "Traceback" not in errors
    until = time.monotonic() + 240
    while any(alive(pid) for pid in below) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in below if alive(pid)]
    for pipe in (run.stdout, run.stderr):
        pipe.close()

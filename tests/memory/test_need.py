"""Predicted bytes equal real bytes."""

import pytest

import omg_lib as omg
from omg_lib.memory.need import gives_up_at, need, needs, row_bytes, stored_bytes
from omg_lib.system.limits import resident_bytes


@pytest.mark.parametrize("changes", [{}, {"learner": "iql"}, {"learner": "oracle"}, {"batch_size_run": 3}])
def test_stored_and_sampled_bytes_hold_in_a_real_run(changes):
    config = omg.OMGConfig(**(dict(n_agents=3, batch_size=2, buffer_size=20, device="cpu") | changes))
    run = omg.Training(config)
    while not run.buffer.can_sample(config.sample_size):
        run.buffer.insert_episode_batch(run.runner.run())
    episodes = [episode for ring in run.buffer.rings for episode in ring.episodes]
    assert {key: x[0].nbytes for key, x in episodes[0].items()} == row_bytes(config)
    assert stored_bytes(config, [len(episode["reward"]) for episode in episodes]) == run.buffer.nbytes
    sample, predicted = run.buffer.sample(config.sample_size), need(config)
    assert sum(x.nbytes for x in sample.values()) == predicted.sample
    if config.has_teammates:
        assert sum(x.nbytes for x in omg.regroup(sample).values()) == predicted.regrouped
    else:
        assert predicted.regrouped == 0
    held = 18 if config.has_teammates else 20  # full rings only
    assert predicted.buffer == stored_bytes(config, [121] * held)
    assert predicted.total == predicted.buffer + predicted.sample + predicted.regrouped


def test_where_a_machine_gives_up():
    found = needs(omg.OMGConfig(n_agents=8))
    assert [one.n_agents for one in found] == list(range(2, 17))
    totals = [one.total for one in found]
    assert totals == sorted(totals)
    assert gives_up_at(found, totals[3]) == 6 and gives_up_at(found, totals[3] - 1) == 5
    assert gives_up_at(found, totals[-1]) is None and gives_up_at(found, 0) == 2


def test_teams_whose_sample_the_buffer_cannot_hold_are_left_out():
    found = needs(omg.OMGConfig(n_agents=2, batch_size=10, buffer_size=50))
    assert [one.n_agents for one in found] == [2, 3, 4, 5]


def test_what_the_notebook_says_of_twice_the_team():
    small, large = (need(omg.OMGConfig(n_agents=n)) for n in (8, 16))
    assert 3.5 < large.buffer / small.buffer < 4.5 and large.sample / small.sample > 7


def test_the_process_holds_something():
    held = resident_bytes()
    assert held is None or held > 2**20

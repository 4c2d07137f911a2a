"""Pictures of the replay buffer."""

from xml.etree import ElementTree

import pytest

import omg_lib as omg
from omg_lib.buffer import ReplayBuffer
from omg_lib.memory.need import needs
from omg_lib.plots import mask_svg, memory_svg, ring_table
from tests.helpers.batches import make_sample


def filled_buffer(size: int, lengths: list[int]) -> ReplayBuffer:
    buffer = ReplayBuffer(size, n_seats=3)
    seats = [k % 3 for k in range(len(lengths))]
    buffer.insert_episode_batch(make_sample(lengths=lengths, seats=seats, ended=(), deaths={}))
    return buffer


def test_rings_show_who_lies_where_and_who_goes_next():
    table = ring_table(filled_buffer(6, [1, 2, 3, 4, 5, 6, 7, 7]))
    assert table.heads == ("", "inserted", "place 0", "place 1")
    assert table.rows == (
        ("ring 0", "3", "#2 (8 rows)", "#1 (5 rows)"),
        ("ring 1", "3", "#2 (8 rows)", "#1 (6 rows)"),
        ("ring 2", "2", "#0 (4 rows)", "#1 (7 rows)"),
    )
    assert table.strong == {(0, 3), (1, 3), (2, 2)}


def test_a_ring_that_is_not_full_replaces_nothing():
    table = ring_table(filled_buffer(60, [1, 2, 3, 4]), most=3)
    assert table.rows[0] == ("ring 0", "2", "#0 (2 rows)", "#1 (5 rows)", "empty")
    assert not table.strong and "17 more places are not shown" in table.caption


def test_masks_are_told_in_words_too():
    svg = mask_svg(make_sample(lengths=[3, 7], seats=(0, 1), ended=(0,), deaths={}))
    ElementTree.fromstring(svg)
    assert "episode 0: 4 rows filled, 3 transitions, ended. " in svg
    assert "episode 1: 8 rows filled, 7 transitions, cut off by the limit." in svg


@pytest.mark.parametrize("limit, said", [(4.2e9, "n_agents 12 and above do not fit"), (1e12, "all fit")])
def test_memory_says_where_it_is_too_much(limit, said):
    svg = memory_svg(needs(omg.OMGConfig()), limit)
    ElementTree.fromstring(svg)
    assert said in svg and "n_agents 8 needs 2.17 GB" in svg
    assert svg.count(" ×<") == (5 if limit < 1e10 else 0)

"""Quotations of the library's code."""

import doctest

import pytest

from omg_lib.learners.omg import OMGLearner
from omg_lib.learners.q_learner import QLearner
from omg_lib.lessons import quoting
from omg_lib.lessons.quoting import ROOT, quote


def test_the_lines_stand_in_the_file_under_their_numbers():
    quotation = quote(QLearner.train)
    file, name = quotation.place.split(", ")
    assert name == "QLearner.train"
    source = (ROOT / file).read_text().splitlines()
    assert all(source[number - 1].strip() == text.strip() for number, text in quotation.lines)
    assert quotation.lines[0][1].startswith("batch = regroup(sample)"), "no docstring, no indent"
    assert quotation.lines[-1][1].startswith("return ")


def test_a_text_picks_whole_statements_and_heads_of_blocks():
    picked = [text for _, text in quote(QLearner.td_loss, "no_grad", "target = self._shaped").lines]
    assert picked[0] == "with torch.no_grad():" and picked[1].startswith("    target = self._shaped(")
    assert len(picked) == 2
    assert [text for _, text in quote(OMGLearner.keeps_goal).lines] == [
        'return self.config.bootstrap_subgoal == "same"'
    ]


def test_what_is_not_there_any_more_is_an_error():
    with pytest.raises(ValueError, match="QLearner.train has no statement with 'mac_out'"):
        quote(QLearner.train, "regroup", "mac_out")


def test_it_shows_as_text_and_as_html():
    assert doctest.testmod(quoting).failed == 0
    quotation = quote(QLearner.returns)
    assert "&lt;" not in repr(quotation) and "<pre" in quotation._repr_html_()
    assert quotation.place in repr(quotation) and quotation.place in quotation._repr_html_()

"""The strangers of notebook 13: each is found at its line, and repaired by one."""

import pytest

from omg_lib.lessons import strangers
from omg_lib.lessons.strangers import STRANGERS


@pytest.mark.parametrize("key", STRANGERS)
def test_the_verdict_names_the_wrong_line(key):
    stranger, found = STRANGERS[key], strangers.followed(key)
    assert (stranger.module.__file__, stranger.line) in found.verdict.lines and found.unknown == []
    assert strangers.check_line((stranger.line,), key).ok and not strangers.check_line((1,), key).ok


@pytest.mark.parametrize("key", STRANGERS)
def test_a_right_line_repairs_it_and_others_do_not(key):
    stranger = STRANGERS[key]
    assert strangers.repair(key, stranger.right).ok
    assert strangers.repair(key, stranger.right.split(" = ")[0] + " = ...").state == "open"
    for line in (stranger.wrong, stranger.right + " * 2", "1 / 0", "not python"):
        assert strangers.repair(key, line).state == "wrong"

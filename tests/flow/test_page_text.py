"""The page's texts are all in Python (tests/browser/test_flow_texts.py shows that) and each of them is used."""

import re

from omg_lib.flow import module
from omg_lib.flow.page_text import texts
from omg_lib.lessons.regroup_answers import MOVED

COMPUTED = {"equal", "different", "predicted", "episode_runner", "parallel_runner"}
COMPUTED |= {*MOVED, "run", "stop", "reset", "back", "forward"}
"""Names that the module makes from a stage's state, a runner's name, what a slot holds or a button's class."""


def test_every_text_is_used():
    read = set(re.findall(r"\.(\w+)\b|line\('(\w+)'", module()))
    read = {one for pair in read for one in pair} | COMPUTED
    names = {name.removesuffix("_whole") for part in texts().values() for name in part}
    assert names - read == set() and len(names) > 60

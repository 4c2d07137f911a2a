"""Pictures and replays: cells say where they come from, in words too, and a page needs nothing else."""

import re
import xml.etree.ElementTree as ET

import pytest
import torch

from omg_lib.config import ConfigError
from omg_lib.provenance import follow, small_batch
from tests.helpers.provenance.cases import followed, plain
from tests.helpers.provenance.faults import PLAIN
from tests.helpers.provenance.peers import planted
from tests.helpers.provenance.plain_loop import update

BATCH = small_batch()


def broken(what="agent-major reward"):
    fault = next(fault for fault in PLAIN if fault.what == what)
    function, line = planted(update, fault.old, fault.new)
    return followed(plain(function)), line


def test_each_cell_says_episode_step_and_seat():
    with follow({"obs": (BATCH["obs"], "e t a _")}) as found:
        turned = BATCH["obs"][2:5, 3].transpose(0, 1)
        summed = BATCH["obs"].mean(0)
    rows = str(found.picture(turned)).splitlines()
    assert rows[-4:] == [f"2.3.{seat}  3.3.{seat}  4.3.{seat}" for seat in range(4)]
    assert "*.0.0" in str(found.picture(summed))
    assert str(found.picture(torch.ones(3))).endswith(".")


def test_the_svg_has_the_same_cells_and_a_text_alternative():
    with follow({"obs": (BATCH["obs"], "e t a _")}) as found:
        picture = found.picture(BATCH["obs"], by="seat")
    root = ET.fromstring(picture.svg)
    assert not any("id" in element.attrib for element in root.iter()), "two pictures on a page cannot share an id"
    assert root.attrib["role"] == "img" and root.attrib["aria-label"] == picture.said
    assert "the first 6 of 12 panels" in picture.said
    drawn = [x.text for x in root.iter("{http://www.w3.org/2000/svg}text") if re.fullmatch(r"\d+\.\d+\.\d+", x.text)]
    assert drawn[:5] == ["0.0.0", "0.1.0", "0.2.0", "0.3.0", "0.4.0"]
    assert len(drawn) == 6 * BATCH["obs"].shape[1] * 4
    assert len({path.attrib["fill"] for path in root.iter("{http://www.w3.org/2000/svg}path")}) == 4
    with pytest.raises(ConfigError, match="by"):
        found.picture(BATCH["obs"], by="colour")


def test_what_is_suspect_is_marked():
    found, _ = broken()
    guilty = [words for _, words, picture in found.replay().frames if "suspect" in picture.said]
    assert guilty and "the origins met here" in guilty[0]


def test_a_replay_is_in_order_and_opens_where_the_origins_met():
    found, _ = broken()
    replay = found.replay()
    lines = [line for line, _, _ in replay.frames]
    first = [i for i, line in enumerate(lines) if 'batch["obs"]' in line]
    last = [i for i, line in enumerate(lines) if "loss = " in line]
    assert first[0] < last[0] and any("self.rnn(" in line for line in lines)
    assert replay.frames[replay.start - 1][1].startswith("the origins met here")
    assert str(replay).count("\n") >= len(lines)


@pytest.mark.slow
def test_a_replay_is_one_piece_without_addresses():
    html = broken()[0].replay().html
    assert html.count("<li ") == html.count("<svg ") and 'type="range"' in html
    assert not re.search(r"(src|href)=", html) and "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert broken()[0].replay().html != html, "two replays on a page do not share an id"

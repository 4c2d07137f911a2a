"""Ways to damage a file: bytes that flip, vanish, repeat or move; JSON with any value in any place."""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import strategies as st

ODD = [b"\x00", b"\xff", b"-1", b"NaN", b"1e999", b"99999999999", b"null", b"[]", b"{}", b"true", b"../", b"\x80\x04"]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to four faults."""
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(spoilt) + 1) if spoilt else 0
        much = chance.choice((1, 1, 8, 64, 1024))
        kind = chance.randrange(6)
        if kind == 0 and at < len(spoilt):
            spoilt[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del spoilt[at : at + much]
        elif kind == 2:
            spoilt[at:at] = chance.randbytes(much)
        elif kind == 3:
            spoilt[at:at] = spoilt[max(0, at - much) : at]
        elif kind == 4:
            odd = chance.choice(ODD)
            spoilt[at : at + len(odd)] = odd
        else:
            del spoilt[at:]
    return bytes(spoilt)


LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.sampled_from([-1, 0, 1, 2**31, 2**63 - 1])
    | st.floats(allow_nan=True, allow_infinity=True) | st.text(max_size=30)
    | st.sampled_from(["scripted", "none", "float32", "../..", "/etc", "t+1", "auto", "x" * 5000, "\x00", "\ud800"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def json_values(draw: Any, original: dict) -> Any:
    """Return the original with one to three of its parts, at any depth, replaced, removed or extended."""
    value = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        place: Any = value
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.integers(0, 4)):
                place[key] = draw(VALUES)
            else:
                del place[key]
            break
        if isinstance(place, dict) and draw(st.integers(0, 9)) == 0:
            place[draw(st.text(max_size=8))] = draw(VALUES)
    return value

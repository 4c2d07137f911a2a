"""Bytes and seconds in words."""

import pytest

from omg_lib.plots.units import bytes_text, seconds_text


@pytest.mark.parametrize(
    "count, text", [(4, "4 B"), (999, "999 B"), (1000, "1.00 kB"), (79298560, "79.3 MB"), (1_560_000_000, "1.56 GB")]
)
def test_bytes(count, text):
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    "seconds, text", [(0.0, "<0.01 ms"), (0.00004, "0.04 ms"), (0.0083, "8.3 ms"), (0.25, "250 ms"), (2.5, "2.50 s")]
)
def test_seconds(seconds, text):
    assert seconds_text(seconds) == text

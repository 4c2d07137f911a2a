"""The curves of a run below the flow picture."""

import pytest

from omg_lib.plots import curves_figure
from omg_lib.training import Report


@pytest.mark.parametrize("count", [1, 2, 40])
def test_updates_are_whole_numbers_on_the_axis(count):
    reports = [Report(k, 100 * k, {"loss": 1 / k, "train_win_rate": 0.1}) for k in range(1, count + 1)]
    for ax in curves_figure(reports).axes:
        low, high = ax.get_xlim()
        ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == round(tick) for tick in ticks)

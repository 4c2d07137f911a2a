"""Every test of a learner runs in both forms: a CPU's, without padding, and a GPU's, over whole sequences."""

import pytest

from omg_lib.episodes import PackedRows, PaddedRows
from omg_lib.learners import q_learner, vdn_qmix


@pytest.fixture(autouse=True, params=[PackedRows, PaddedRows], ids=["packed", "padded"])
def form(request, monkeypatch):
    """The form of the rows that learners read."""
    for module in (q_learner, vdn_qmix):
        monkeypatch.setattr(module, "rows_of", request.param)
    return request.param

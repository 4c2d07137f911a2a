import pytest
import torch


@pytest.fixture
def double():
    """Double precision, so that two ways to compute the same differ by rounding only."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)

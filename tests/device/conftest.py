"""Every test here is marked `device`: it runs on the device double everywhere, and on a GPU where there is one."""

from pathlib import Path

import pytest
import torch

from tests.helpers import device_double
from tests.helpers.batches import echo_registered, short_pretraining

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    device_double.open_card()  # now: no test has run yet
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker("device")


@pytest.fixture(scope="module", autouse=True)
def quick():
    with echo_registered(), short_pretraining():
        yield


@pytest.fixture
def double():
    """The device double, which runs of a configuration with device="cuda" take for the GPU."""
    with device_double.as_gpu() as device:
        yield device


@pytest.fixture(params=["double", "cuda"])
def device(request):
    """The double, and a GPU where there is one. Runs go there with device="cuda"."""
    if request.param == "double":
        return request.getfixturevalue("double")
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    return torch.device("cuda")

"""What all tests of forecasters share."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small tensors: several threads would wait for each other most of the time."""
    torch.set_num_threads(1)

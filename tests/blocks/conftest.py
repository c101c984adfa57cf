from __future__ import annotations

import pytest
import torch

from blockfront.blocks import BLOCKS


@pytest.fixture(autouse=True)
def one_thread_and_a_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def own_blocks(own_registries) -> None:
    """Blocks that a test registers are gone when it ends."""
    own_registries(BLOCKS)

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from blockfront.blocks import BLOCKS


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _leave_the_registry_as_it_was() -> Iterator[None]:
    before = dict(BLOCKS._items)
    yield
    BLOCKS._items.clear()
    BLOCKS._items.update(before)

"""One seed and one thread count for a piece of work, with the process left as it was found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, threads: int | None = None) -> Iterator[None]:
    """Seed Python, NumPy and torch inside the block, use `threads` torch threads, then restore all of them.

    Build a network inside it and its initial weights repeat: `with seeded(0): module = network.build()`.
    """
    python, numpy, torch_threads = random.getstate(), np.random.get_state(), torch.get_num_threads()
    cuda = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=cuda):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(torch_threads)
            np.random.set_state(numpy)
            random.setstate(python)

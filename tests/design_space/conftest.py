"""What holds of tests of blocks holds of those of the spaces that draw them."""

from tests.blocks.conftest import one_thread_and_a_seed, own_blocks

__all__ = ["one_thread_and_a_seed", "own_blocks"]

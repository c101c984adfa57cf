"""Building blocks: one registry, one file a family group.

A block of your own needs no edit here::

    from blockfront.blocks import register_block

    @register_block("my_block")
    class MyBlock(nn.Module):
        def __init__(self, in_chs: int, out_chs: int, stride: int = 1, kernel: int = 3): ...
        def forward(self, x): ...
"""

from blockfront.blocks import convnext, ghost, mixconv, mobilenet, mobileone, resnet, shufflenet, squeezenet
from blockfront.blocks.deployment import deploy
from blockfront.blocks.registry import BLOCKS, Block, Scalar, create_block, register_block

__all__ = [
    "BLOCKS",
    "Block",
    "Scalar",
    "convnext",
    "create_block",
    "deploy",
    "ghost",
    "mixconv",
    "mobilenet",
    "mobileone",
    "register_block",
    "resnet",
    "shufflenet",
    "squeezenet",
]

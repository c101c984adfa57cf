"""A stage of a design space: the fields of a stage spec, each a constant or a dimension."""

from __future__ import annotations

from dataclasses import dataclass

from blockfront.blocks import BLOCKS
from blockfront.design_space.dimension import Field, check_whole, values_of
from blockfront.errors import UsageError


@dataclass(frozen=True, init=False)
class Stage:
    """`depth` blocks of `width` channels; the first block has the stride.

    Everything after `block` is an option of the blocks, by its name. A network whose block does not take an
    option has no such dimension. `block` overrides the space's family for this stage.
    """

    depth: Field
    width: Field
    stride: Field
    block: Field | None
    options: tuple[tuple[str, Field], ...]

    def __init__(
        self, depth: Field, width: Field, stride: Field = 1, block: Field | None = None, **options: Field
    ) -> None:
        fields = {"depth": depth, "width": width, "stride": stride, "block": block}
        for name, value in {**fields, "options": tuple(sorted(options.items()))}.items():
            object.__setattr__(self, name, value)


def check_stage(stage: Stage, number: int, family: Field | None) -> None:
    """Raise `UsageError`, naming the stage, for values no stage can have and options no block takes."""
    where = f"stage {number}"
    blocks = stage.block if stage.block is not None else family
    if blocks is None:
        raise UsageError(f"{where} has no block; give the space a family or the stage a block")
    known = [BLOCKS[str(name)] for name in values_of(blocks)]
    for name in ("depth", "width"):
        check_whole(f"{name} of {where}", getattr(stage, name))
    if not set(values_of(stage.stride)) <= {1, 2}:
        raise UsageError(f"stride of {where} is 1 or 2, not {values_of(stage.stride)}")
    for name, field in stage.options:
        takers = [block for block in known if name in block.options]
        if not takers:
            blocks_text = ", ".join(block.name for block in known)
            offered = sorted({option for block in known for option in block.options})
            raise UsageError(
                f"no block of {where} ({blocks_text}) takes option {name!r}; they take {', '.join(offered) or 'none'}"
            )
        for block in takers:
            for value in values_of(field):
                block.option(name, value)

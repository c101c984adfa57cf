"""Element-wise chains folded into the blocks that end them."""

from __future__ import annotations

from itertools import islice

from tvm import ir, tirx
from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, walk

_CHEAP_NODES = 12
_LONG_NODES = 300


def root_blocks(schedule: Schedule) -> list[KernelBlock]:
    """The kernel's blocks in execution order; none where its loops are bare."""
    root = schedule.get_sblock(schedule.mod["main"].body.block.name_hint)
    return [KernelBlock(schedule, handle) for handle in schedule.get_child_blocks(root)]


def fold_biases(schedule: Schedule) -> None:
    """Start sums of products from the bias that is added to them, instead of from zero.

    A bias that the kernel computes itself is added at the end: it need not be there when the sums start.
    """
    computed = {block.written for block in root_blocks(schedule)}
    for block in root_blocks(schedule):
        if not block.multiplies:
            continue
        consumers = [KernelBlock(schedule, handle) for handle in schedule.get_consumers(block.handle)]
        if len(consumers) == 1 and _adds_bias(consumers[0], block.written, computed):
            schedule.fuse_reduction_epilogue(block.handle, consumers[0].handle)


def _adds_bias(block: KernelBlock, result: str, computed: set[str]) -> bool:
    """Whether the block adds one value for each column, which the kernel is given, to `result` and nothing else."""
    value = getattr(block.stmt.body, "value", None)
    if not isinstance(value, tirx.Add) or not all(isinstance(term, ir.TensorLoad) for term in (value.a, value.b)):
        return False
    others = [read for read in block.reads if read.tensor != result]
    given = len(others) == 1 and others[0].tensor not in computed
    return given and set().union(*others[0].used) == {block.column}


def inline_elementwise(schedule: Schedule) -> None:
    """Inline every intermediate that is no reduction, unless that would compute it more than once dearly.

    A block stays when a consumer is larger than itself (a squeeze-excite gate, a layer norm's mean: computed
    once, read often), when several read a costly function of it, and a border of zeros stays for the rules
    that read windows.
    """
    for block in root_blocks(schedule):
        if block.is_reduction or _stays(block):
            continue
        consumers = [KernelBlock(schedule, handle) for handle in schedule.get_consumers(block.handle)]
        if not consumers:
            continue
        if isinstance(block.stmt.body.value, ir.TensorLoad):
            schedule.compute_inline(block.handle)
            continue
        if any(consumer.volume > block.volume for consumer in consumers):
            continue
        if is_padding(block) and _reaches_reduction(schedule, block):
            continue
        often = len(consumers) > 1 or _loads(consumers[0], block.written) > 1
        if often and (_costly(block) or is_interpolation(block) or _long(schedule, block)):
            continue
        if any(consumer.is_reduction for consumer in consumers) and _costly(block):
            continue
        schedule.compute_inline(block.handle)


def is_padding(block: KernelBlock) -> bool:
    """Whether the block writes a border around a tensor."""
    return not block.is_reduction and block.chooses


def is_interpolation(block: KernelBlock) -> bool:
    """Whether the block adds up neighbours at places that another tensor says (`importing/resizing.py`)."""
    return block.name.startswith("interpolated")


def _reaches_reduction(schedule: Schedule, block: KernelBlock) -> bool:
    """Whether a reduction reads what the block writes, at once or through others that are element-wise."""
    consumers = [KernelBlock(schedule, handle) for handle in schedule.get_consumers(block.handle)]
    return any(
        consumer.is_reduction or (not _stays(consumer) and _reaches_reduction(schedule, consumer))
        for consumer in consumers
    )


def _stays(block: KernelBlock) -> bool:
    """Whether the block is a step of Winograd's transforms, which has a schedule of its own."""
    return block.name.startswith("winograd_")


def _costly(block: KernelBlock) -> bool:
    """Whether computing the block twice would hurt: a call to a function, or a polynomial."""
    nodes = list(walk(block.stmt.body.value))
    calls = any(isinstance(node, ir.Call) for node in nodes)
    arithmetic = sum(hasattr(node, "a") and hasattr(node, "b") for node in nodes)
    return calls or arithmetic > _CHEAP_NODES


def _long(schedule: Schedule, block: KernelBlock) -> bool:
    """Whether the block, with what was inlined into it, would make code grow by the power of the functions in it."""
    grown = schedule.get(block.handle).body.value
    return sum(1 for _ in islice(walk(grown), _LONG_NODES)) == _LONG_NODES


def _loads(consumer: KernelBlock, tensor: str) -> int:
    return sum(read.tensor == tensor for read in consumer.reads)

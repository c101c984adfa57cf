"""Four neighbouring bytes of an argument are a word in memory already: nothing has to put them together."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from blockfront.targets.compiler.byte_operations import is_word
from blockfront.targets.compiler.schedules.analysis import KernelBlock
from blockfront.targets.compiler.schedules.cutting import with_root
from blockfront.targets.compiler.schedules.inlining import root_blocks
from blockfront.targets.compiler.schedules.unchecked import UncheckedSchedule


def as_arguments(function: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function with arguments of words where it would make words of its arguments' bytes."""
    for block in root_blocks(UncheckedSchedule(function)):
        source = _bytes_of(block, function)
        if source is not None:
            function = _without(function, block, source)
    return function


def _bytes_of(block: KernelBlock, function: tirx.PrimFunc) -> Any:
    """The argument whose bytes, four after four in order, are the words that a block stores; None where it is none."""
    if not (block.name == "words" and is_word(block.stmt.body.value)):
        return None
    (read,) = block.stmt.reads
    return next((parameter for parameter in function.params if parameter.same_as(read.source)), None)


def _without(function: tirx.PrimFunc, block: KernelBlock, source: Any) -> tirx.PrimFunc:
    words = block.stmt.writes[0].source
    root = function.body.block
    body = [part for part in root.body.seq if not _writes(part, words)]
    kept = with_root(function, tirx.SeqStmt(body) if len(body) > 1 else body[0], [], without=words)
    parameters = [words if parameter.same_as(source) else parameter for parameter in function.params]
    return tirx.PrimFunc(parameters, kept.body, kept.ret_type, kept.attrs)


def _writes(statement: Any, buffer: Any) -> bool:
    while isinstance(statement, tirx.For):
        statement = statement.body
    return any(region.source.same_as(buffer) for region in statement.block.writes)

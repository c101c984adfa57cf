"""Suppression of boxes, which is a kernel of its own."""

from __future__ import annotations

from tvm import relax

from blockfront.errors import RunError
from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.rules import Node, rule
from blockfront.targets.compiler.suppressing import BoxKernel


@rule("suppress_boxes.default")
def _suppress(importer: Importer, node: Node) -> None:
    scores, boxes, threshold, candidates, overlap, kept, bins, anchors = node.args
    images, rows, classes = scores.meta["val"].shape
    if images != 1:
        raise RunError(f"boxes of one image at a time are suppressed, not of {images}")
    for source in (scores, boxes):
        importer.restore(source)
    kernel = BoxKernel(rows, classes, threshold, candidates, overlap, kept, bins, anchors)
    builder = importer.block_builder
    function = builder.add_func(kernel.function(), "suppress_boxes")
    given = relax.Tuple([importer.env[scores], importer.env[boxes]])
    importer.emit(node, relax.op.call_tir(function, given, relax.TensorType(list(kernel.shape), "float32")))

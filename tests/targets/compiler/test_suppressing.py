"""Suppression of boxes as compiled code: the very boxes that torch's reference gives."""

from __future__ import annotations

import pytest
import torch

from blockfront.errors import RunError
from blockfront.signature import Input, Signature
from blockfront.targets import get_processor
from blockfront.targets.compiler.compiling import compile_model
from blockfront.tasks.box_suppression import EQUAL, BoxDecoding, BoxSuppression
from blockfront.tasks.suppression import Limits, suppress

pytestmark = pytest.mark.compiles

ROWS, CLASSES = 60, 3
CASES = {
    "as found": lambda scores: scores**4,
    "half of them": lambda scores: scores,
    "all equal": lambda scores: torch.full_like(scores, 0.5),
    "few levels": lambda scores: (scores * 5).round() / 5,
    "none": torch.zeros_like,
}


def recorded() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for change in CASES.values():
        start = torch.rand(1, ROWS, 2, generator=generator) * 0.7
        boxes = torch.cat([start, start + 0.05 + 0.25 * torch.rand(1, ROWS, 2, generator=generator)], dim=2)
        found.append((change(torch.rand(1, ROWS, CLASSES, generator=generator)), boxes))
    return tuple(found)


@pytest.mark.parametrize("limits", [Limits(threshold=0.1), Limits(threshold=0.1, candidates=50, kept=20)])
def test_compiled_boxes_are_the_reference_s(limits: Limits) -> None:
    """With room for all, and with less than there are: `compile_model` refuses what is not equal."""
    inputs = Input("scores", (1, ROWS, CLASSES)), Input("boxes", (1, ROWS, 4))
    signature = Signature(inputs, EQUAL, recorded())
    given = []
    for seed in range(len(CASES)):
        program = compile_model(
            BoxSuppression(limits, anchors=seed % 2 == 0), signature, get_processor("host"), threads=1, seed=seed
        )
        (output,) = program.outputs
        boxes = output.array[0]
        scores, places = (one[0].numpy() for one in signature.recorded[seed])
        rows, kinds = suppress(scores, places, limits)
        given.append(len(rows))
        assert boxes[: len(rows), 0].tolist() == kinds.tolist()
        assert (boxes[: len(rows), 2:6] == places[rows]).all()
        assert boxes.shape[1] == 6 + (seed % 2 == 0)
        assert (rows == boxes[: len(rows), 6:].T).all()
        assert (boxes[len(rows) :, 0] == -1).all()
        (kernel,) = program.kernels
        assert (kernel.rule, kernel.reason) == ("suppression", None)
        # The time depends on them, so that who emulates the kernel has them.
        assert [position for position, _ in kernel.addresses] == [0, 1]
    assert given[-1] == 0
    assert max(given) > 10


def test_decoding_compiles_for_another_processor_and_several_images_are_refused() -> None:
    anchors = torch.rand(ROWS, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    inputs = Input("logits", (1, ROWS, CLASSES + 1)), Input("deltas", (1, ROWS, 4))
    decoding = BoxDecoding(anchors, background=True)
    program = compile_model(decoding, Signature(inputs), get_processor("rk3399"), threads=1, seed=0)
    assert program.unscheduled_kernels == ()
    two = Input("scores", (2, ROWS, CLASSES)), Input("boxes", (2, ROWS, 4))
    with pytest.raises(RunError, match="of one image at a time"):
        compile_model(BoxSuppression(Limits()), Signature(two), get_processor("host"))

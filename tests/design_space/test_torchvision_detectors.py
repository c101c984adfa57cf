"""torchvision's detectors up to their raw outputs, and decoded as torchvision does it."""

from __future__ import annotations

import pytest
import torch
from torchvision import models
from torchvision.ops import clip_boxes_to_image

from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.known import boxes_of
from blockfront.design_space.models import find_model
from blockfront.errors import UsageError
from blockfront.targets import compile_model, get_target

DETECTORS = {
    "ssdlite320_mobilenet_v3_large": (None, 3234),
    "ssd300_vgg16": (None, 8732),
    "retinanet_resnet50_fpn": (64, 9 * (64 + 16 + 4 + 1 + 1)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * name.startswith("ssd300")) for name in DETECTORS]
)
def test_raw_outputs_anchors_and_decoding_are_torchvisions(name: str) -> None:
    side, boxes = DETECTORS[name]
    model = find_model(f"torchvision:{name}", ImageSize.asked(side, None, None))
    raw = model.whole()
    (height, width) = model.signature.inputs[0].shape[2:]
    torch.manual_seed(1)
    options = {} if side is None else {"min_size": side, "max_size": side}
    whole = models.get_model(name, weights=None, weights_backbone=None, **options).eval()
    whole.load_state_dict(raw.state_dict())
    given: dict[str, object] = {}
    whole.head.register_forward_hook(lambda module, inputs, outputs: given.update(outputs))
    whole.anchor_generator.register_forward_hook(lambda module, inputs, outputs: given.update(anchors=outputs[0]))
    picture = torch.rand(3, height, width)
    with torch.inference_mode():
        whole([picture])
        prepared, _ = whole.transform([picture])
        outputs = raw(prepared.tensors)
        # Those of random weights are far from any box.
        deltas = outputs.deltas / outputs.deltas.std()
        decoded = raw.decoding()(outputs.logits, deltas)
    assert outputs.logits.shape[1] == outputs.deltas.shape[1] == boxes_of(model) == boxes
    torch.testing.assert_close(outputs.logits, given["cls_logits"])
    torch.testing.assert_close(outputs.deltas, given["bbox_regression"])
    corners = whole.box_coder.decode_single(deltas[0], given["anchors"])
    shares = clip_boxes_to_image(corners, (height, width)) / torch.tensor([width, height, width, height])
    torch.testing.assert_close(decoded["boxes"][0], shares, atol=1e-5, rtol=1e-4)
    logits = given["cls_logits"]
    scores = logits.sigmoid() if name.startswith("retinanet") else logits.softmax(-1)[..., 1:]
    torch.testing.assert_close(decoded["scores"], scores)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fasterrcnn_resnet50_fpn", "looks at regions that a first network finds"),
        ("keypointrcnn_resnet50_fpn", "looks at regions that a first network finds"),
        ("fcos_resnet50_fpn", "a centre-ness, which nothing here decodes"),
    ],
)
def test_other_detectors_are_refused_in_a_line(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"torchvision:{name} .*{reason}.*torchvision:ssdlite320_mobilenet_v3_large"):
        find_model(f"torchvision:{name}")


@pytest.mark.compiles
@pytest.mark.long
def test_ssdlite_compiles_and_agrees_with_torch() -> None:
    model = find_model("torchvision:ssdlite320_mobilenet_v3_large")
    program = compile_model(model.whole(), model.signature, get_target("host"), threads=1, seed=0)
    assert [output.name for output in program.outputs] == ["logits", "deltas"]
    assert not program.unscheduled_kernels

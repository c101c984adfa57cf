"""A detector's C library: from the image to the boxes that torch finds."""

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.design_space import Network
from blockfront.services.box_programs import compile_boxes
from blockfront.targets import compile_model, get_processor, get_target
from blockfront.targets.library import make_library, run_library
from blockfront.targets.library.checking import Calling
from blockfront.targets.library.firmware import emulates
from blockfront.tasks.box_suppression import find_boxes, find_objects
from blockfront.tasks.packed_masks import inside_boxes

pytestmark = pytest.mark.compiles
needs_board = pytest.mark.skipif(not emulates(get_processor("stm32h743")), reason="qemu-system-arm is missing")

TEXT = "det_32_{task}3/stem_k3_s2_c8_nrelu/er_r1_k3_s2_e2_c8_se0_nrelu6/ds_r1_k3_s2_c16_nrelu6/{head}"
HEADS = {
    "ssdlite": "ssdlite_l2_sabcdef.abdf",
    "retina": "retina_l2_f8_sabcdefghi.abcdefghi",
    "masks": "ssdlite_l2_p4_sabcdef.abdf",
}


def detector(head):
    """A network, and a module of it that finds many boxes: its last layers have large weights."""
    torch.manual_seed(3)
    network = Network.parse(TEXT.format(head=HEADS[head], task="i" if head == "masks" else "d"))
    module = network.build().eval()
    for classes, *_ in [module.head.shared] if head == "retina" else module.head.own.values():
        nn.init.normal_(classes[-1].weight, std=2.0)
    return network, module


def made(network, module, target, threads, folder):
    deployed, target = network.deploying(module), get_target(target)
    program = compile_model(deployed, network.signature, target, threads=threads, alone=True)
    boxes = compile_boxes(module, deployed, network.signature, target, threads)
    return program, target, make_library(program, target, folder, boxes=boxes)


@pytest.mark.emulates
@pytest.mark.parametrize(
    ("head", "target", "threads", "where"),
    [
        ("ssdlite", "host", 2, "on this machine"),
        ("retina", "host", 1, "on this machine"),
        ("ssdlite", "rpi4", 1, "under QEMU"),
        pytest.param("ssdlite", "stm32h743", 1, "under QEMU", marks=[pytest.mark.long, needs_board]),
    ],
)
def test_one_call_finds_the_boxes_of_torch(emulators, head, target, threads, where, tmp_path):
    network, module = detector(head)
    program, target, library = made(network, module, target, threads, tmp_path)
    image = torch.from_numpy(program.inputs[0].copy())
    wanted = find_boxes(module, image).numpy()
    found, count = Calling(library, target, tmp_path).call(library.detecting.interface, program.samples).outputs
    assert 10 < len(wanted) == count[0]
    own = found[0, : count[0]]
    # In the same order, but for scores that rounding makes equal.
    assert np.allclose(own[:, 1], wanted[:, 1], atol=1e-4)
    for box in wanted:
        assert (np.abs(own - box).max(axis=1) < 1e-4).any()
    assert (found[0, count[0] :, 0] == -1).all()
    ran, errors, _ = run_library(library, program, target, tmp_path)
    assert ran == where
    assert [(error.name, error.tolerance) for error in errors][-1] == ("detections", 0.0)


def test_the_same_call_gives_what_masks_are_cut_from(tmp_path):
    network, module = detector("masks")
    program, target, library = made(network, module, "host", 1, tmp_path)
    image = torch.from_numpy(program.inputs[0].copy())
    wanted, masks = find_objects(module, image)
    run_library(library, program, target, tmp_path)
    called = Calling(library, target, tmp_path).call(library.detecting.interface, program.samples)
    found, count, maps = map(torch.from_numpy, called.outputs)
    assert 10 < len(wanted) == count[0]
    boxes = found[0, : count[0], :6]
    large = nn.functional.interpolate(maps[:, : count[0]], size=(32, 32), mode="bilinear")[0]
    own = (large > 0) & inside_boxes(boxes[:, 2:], 32, 32)
    assert masks.any()
    for box, mask in zip(wanted, masks, strict=True):
        same = (boxes - box).abs().amax(1) < 1e-4
        assert same.any()
        # Boxes of one score and one place may be of anchors with other masks.
        assert min((one ^ mask).sum() for one in own[same]) <= 2

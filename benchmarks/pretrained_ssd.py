"""What anchor pruning leaves of a published SSD-MobileNetV2, by how much it agrees with the whole one on photographs.

    npm pack @mediapipe/objectron@0.4.1675468480 && tar xzf mediapipe-objectron-*.tgz
    python benchmarks/pretrained_ssd.py package/objectron_solution_packed_assets.data photographs/*.jpg

The package (Apache-2.0) has the detector of 23 classes of Open Images as TFLite, with 1,917 anchors in 33 slots. There
is no truth about these photographs: what the whole detector finds with a score of 0.3 or more takes its place, so that
the numbers are *agreement* and no AP, and nothing is trained anew. Of each photograph the whole and four overlapping
parts are looked at; half of the photographs decide, and the agreement is stated on the others.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

FILE = slice(184, 9_987_912)
"""Where in the package's file the detector is."""
SIDE, CLASSES = 300, 23
MAPS, WIDTHS, COUNTS = (19, 10, 5, 3, 2, 1), (576, 1280, 512, 256, 256, 128), (3, 6, 6, 6, 6, 6)
RATIOS = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)
"""Of width over height, as TensorFlow's SSD anchors have them; behind them the larger square."""
TRUSTED = 0.3


def anchors() -> torch.Tensor:
    """(1917, 4): centre x and y, width, height, as shares: TensorFlow's for scales from 0.2 to 0.95."""
    scales = [0.2 + 0.75 * level / 5 for level in range(6)] + [1.0]
    found = []
    for level, side in enumerate(MAPS):
        shapes = [(scales[level], ratio) for ratio in RATIOS] + [(math.sqrt(scales[level] * scales[level + 1]), 1.0)]
        if level == 0:
            shapes = [(0.1, 1.0), (0.2, 2.0), (0.2, 1 / 2)]
        for place in range(side * side):
            down, across = divmod(place, side)
            found += [
                ((across + 0.5) / side, (down + 0.5) / side, size * math.sqrt(ratio), size / math.sqrt(ratio))
                for size, ratio in shapes
            ]
    return torch.tensor(found)


def parts(photograph: Path) -> list[Image.Image]:
    """The photograph, and four parts of two thirds of its sides."""
    whole = Image.open(photograph).convert("RGB")
    wide, high = (2 * side // 3 for side in whole.size)
    corners = [(left, top) for left in (0, whole.width - wide) for top in (0, whole.height - high)]
    return [whole, *(whole.crop((left, top, left + wide, top + high)) for left, top in corners)]


def record(model: bytes, photographs: Sequence[Path], slots: Any) -> Any:
    """What the detector finds, with what it is sure of as the objects."""
    from ai_edge_litert.interpreter import Interpreter

    from blockfront.anchors import RecordedBoxes
    from blockfront.anchors.recorded import ImageBoxes
    from blockfront.tasks.boxes import decode
    from blockfront.tasks.suppression import Limits, suppress

    limits, found = Limits(), []
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    outputs = {one["name"].split("/")[-1]: one["index"] for one in interpreter.get_output_details()}
    slot_of_row = np.concatenate(
        [np.tile(list(level), side * side) for level, side in zip(slots.levels, MAPS, strict=True)]
    )
    for picture in (part for photograph in photographs for part in parts(photograph)):
        pixels = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float32)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None] / 127.5 - 1)
        interpreter.invoke()
        logits = torch.from_numpy(interpreter.get_tensor(outputs["class_predictions"])[0].copy())
        deltas = torch.from_numpy(interpreter.get_tensor(outputs["box_encodings"])[0].copy())
        # The first class is the background; vertical comes before horizontal, and the coder is SSD's.
        scores = logits.sigmoid()[:, 1:].numpy()
        boxes = decode(deltas[None, :, [1, 0, 3, 2]], anchors())[0].numpy()
        rows, kinds = suppress(scores, boxes, limits)
        sure = scores[rows, kinds] >= TRUSTED
        corners = boxes[rows[sure]].astype(np.float64) * SIDE
        areas = (corners[:, 2:] - corners[:, :2]).prod(1)
        objects = np.column_stack([kinds[sure], corners, areas, np.zeros(len(areas))])
        at, of = np.nonzero(scores > np.float32(limits.threshold))
        found.append(ImageBoxes(at, slot_of_row[at], of, scores[at, of], boxes[at], objects, float(SIDE)))
    return RecordedBoxes(slots, CLASSES, limits, tuple(found))


def main() -> None:
    from blockfront.anchors import HeadCosts, Rules, Slots, SlotScores, search_anchors

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="objectron_solution_packed_assets.data")
    parser.add_argument("photographs", type=Path, nargs="+")
    parser.add_argument("--drop", type=float, default=0.1, help="agreement that may be lost")
    parser.add_argument("--save", type=Path, help="file for the front, as JSON")
    arguments = parser.parse_args()
    slots = Slots(COUNTS)
    # Both convolutions of a level are 1 x 1, on features that the backbone has anyway.
    pixels, each = tuple(side * side for side in MAPS), tuple(width * (CLASSES + 1 + 4) for width in WIDTHS)
    costs = HeadCosts(slots, pixels, each, (0,) * len(MAPS))
    model = arguments.package.read_bytes()[FILE]
    ours, others = (record(model, arguments.photographs[half::2], slots) for half in range(2))
    scores, stated = SlotScores(ours), SlotScores(others)
    rules = Rules(least=1 - arguments.drop, strict=True)
    front = search_anchors(slots, scores, lambda removed: float(costs.macs(removed)), rules).front
    sure = sum(len(image.objects) for image in (*ours.images, *others.images))
    print(f"{len(arguments.photographs)} photographs, {len(ours.images) + len(others.images)} pictures, {sure} boxes")
    rows = []
    for node in front:
        left = ".".join(str(len(own)) for own in slots.kept(node.removed))
        rows.append(
            {
                "searched": node.value,
                "agreement": stated(node.removed)[0],
                "agreement50": stated(node.removed)[1],
                "head_macs": costs.macs(node.removed) / costs.macs(),
                "boxes": costs.boxes(node.removed),
                "slots": left,
                "removed": sorted(node.removed),
            }
        )
        print({key: value for key, value in rows[-1].items() if key != "removed"})
    if arguments.save:
        arguments.save.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

"""A trained detector without the anchors that it can do without: the front, and what both find in a few pictures.

python examples/prune_anchors.py detector.safetensors --dataset scenes -o detections.jpg
"""

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from blockfront.anchors import (
    Rules,
    SlotScores,
    prune_detector,
    pruned_network,
    record_boxes,
    search_anchors,
    slot_of_rows,
    slots_of,
)
from blockfront.services.trained_detector import find_detector
from blockfront.tasks.box_suppression import BoxDecoding, BoxSuppression
from blockfront.tasks.suppression import Limits
from blockfront.training import fed, get_dataset

SHOWN, SCALE = 0.25, 3
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")


def picture(image, outputs):
    """One image (3, R, R) with the boxes of a score above SHOWN."""
    levels = (image - image.min()) / (image.max() - image.min())
    size = SCALE * image.shape[-1]
    drawn = Image.fromarray((255 * levels).byte().permute(1, 2, 0).contiguous().numpy()).resize((size, size))
    draw = ImageDraw.Draw(drawn)
    decoded = BoxDecoding(outputs.anchors, outputs.background)(outputs.logits, outputs.deltas)
    for kind, score, *corners in BoxSuppression(Limits(threshold=SHOWN))(**decoded)["detections"][0].tolist():
        if kind >= 0:
            draw.rectangle([size * side for side in corners], outline=COLOURS[int(kind) % len(COLOURS)], width=2)
            draw.text((size * corners[0] + 4, size * corners[1] + 2), f"{int(kind)} {score:.2f}", fill="black")
    return drawn


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("detector", help="what bench anchors search takes")
parser.add_argument("--dataset", default="scenes")
parser.add_argument("--pictures", type=int, default=4)
parser.add_argument("-o", "--output", type=Path, default=Path("detections.jpg"))
arguments = parser.parse_args()

detector = find_detector(arguments.detector, None, "bench.db")
network, whole, data = detector.network, detector.build(), get_dataset(arguments.dataset)
with fed(whole, data, resolution=network.resolution, device="cpu") as feed:
    boxes = record_boxes(whole, feed.test(), slot_of_rows(network), slots_of(network))
    images = next(iter(feed.test()))[0][: arguments.pictures].clone()
search_images, others = boxes.halves()
scores, stated = SlotScores(search_images), SlotScores(others)
least = scores(frozenset())[0] - 0.02
step = "shared" if network.head.kind == "retina" else "slot"
price = lambda removed: pruned_network(network, removed).cost.head_macs  # noqa: E731
front = search_anchors(slots_of(network), scores, price, Rules(least=least, strict=True, step=step)).front
for node in front:
    head, metrics = pruned_network(network, node.removed).head, stated(node.removed)
    print(f"AP {100 * metrics[0]:.1f} %, {node.cost / 1e6:.3f} M multiply-adds: {head}")

smaller = prune_detector(network, whole, front[-1].removed) if front else whole
rows = []
with torch.inference_mode():
    for module in (whole.eval(), smaller.eval()):
        rows.append([picture(image, module(image[None])) for image in images])
side = SCALE * network.resolution
sheet = Image.new("RGB", (side * len(images), side * len(rows)))
for down, row in enumerate(rows):
    for across, drawn in enumerate(row):
        sheet.paste(drawn, (side * across, side * down))
sheet.save(arguments.output)
print(f"{arguments.output}: above the whole detector, below the smallest of the front")

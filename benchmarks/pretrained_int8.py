"""How often pretrained EfficientNet-Lite in int8 sees the class that it sees in float32, on photographs.

    python benchmarks/pretrained_int8.py

Weights and photographs are fetched once: those of OpenCV's documentation (Debian, 96 MB), one of each scene, in colour
and without anything drawn on them. They have no labels: this is agreement, and no accuracy. Every photograph is judged
once, by a network whose ranges are of the other half of them; there are no training images here.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import torch
from pretrained import prepared

from blockfront.signature import Signature
from blockfront.targets.quantization import OBSERVERS, Decibels, quantize_module
from blockfront.training import PRETRAINED, give_weights

PHOTOGRAPHS = (
    *("aero1", "aloeL", "apple", "astra_color", "baboon", "Back_Projection_Theory0", "bicubicOutput", "board"),
    *("building", "chicky_512", "coins", "data/butterfly", "dnn_superres/butterfly", "ela_original"),
    *("fruits", "fusion_mertens", "graf1", "hfs/data/000", "hfs/data/001", "hfs/data/002"),
    *("Histogram_Calculation_Original_Image", "home", "html/227943776_1", "html/230501201_1", "input_images/plant"),
    *("left", "leuvenA", "licenseplate_motion", "messi5", "orange", "pexels_double_decker_bus", "reg/home"),
    *(
        "retina_TreeHdr_small",
        "rubberwhale1",
        "scenetext01",
        "scenetext02",
        "scenetext03",
        "scenetext04",
        "scenetext05",
    ),
    *("scenetext06", "scenetext_segmented_word01", "scenetext_segmented_word02", "scenetext_segmented_word03"),
    *("space_shuttle", "squirrel_cls", "stuff"),
)
"""The ends of their paths."""


@dataclass(frozen=True)
class Agreement:
    """Logits (photographs, classes) of a network in float32 and in int8."""

    plain: torch.Tensor
    quantized: torch.Tensor

    @property
    def differing(self) -> list[int]:
        """The photographs that they give different classes."""
        return (self.plain.argmax(1) != self.quantized.argmax(1)).nonzero().flatten().tolist()

    @property
    def within_five(self) -> int:
        """Of how many photographs int8's class is among float32's likeliest five."""
        return int((self.plain.topk(5).indices == self.quantized.argmax(1, keepdim=True)).any(1).sum())

    @property
    def snr_db(self) -> float:
        """Power of the logits over that of their change."""
        noise = Decibels()
        noise.add(self.plain, self.quantized)
        return noise.value


def compare_halves(module: Any, images: torch.Tensor, observer: str) -> Agreement:
    """A network on images (N, 3, H, W): in int8 each half by the ranges that `observer` finds in the other."""
    signature = Signature.image(images.shape[-1])
    quantized: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        plain = torch.cat([module(one) for one in images.split(1)])
        for half in (0, 1):
            ranged = [(one.clone(),) for one in images[1 - half :: 2].split(8)]
            with torch.inference_mode(False):
                network = quantize_module(module, signature, ranged, observer)
            quantized[half] = torch.cat([network(one) for one in images[half::2].split(1)])
    together = torch.empty_like(plain)
    together[0::2], together[1::2] = quantized[0], quantized[1]
    return Agreement(plain, together)


def main() -> None:
    """Print a row of a table for each network and observer, and below it where they differ."""
    import timm

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observers", nargs="+", choices=list(OBSERVERS), default=["minmax"])
    arguments = parser.parse_args()
    print("| weights | pixels | ranges | same class | among float32's five | dB |")
    print("|---|---|---|---|---|---|")
    notes = []
    for weights in (name for name in PRETRAINED if name.startswith("efficientnet_lite")):
        module = timm.create_model(PRETRAINED[weights].model).eval()
        give_weights(module, weights)
        images = prepared(module, PHOTOGRAPHS)
        for observer in arguments.observers:
            found = compare_halves(module, images, observer)
            count, size = len(images), images.shape[-1]
            same, five = count - len(found.differing), found.within_five
            row = (weights, str(size), observer, f"{same} of {count}", f"{five} of {count}", f"{found.snr_db:.1f}")
            print(f"| {' | '.join(row)} |", flush=True)
            notes += [_note(weights, observer, found, i) for i in found.differing]
    print("\n".join(["", *notes]))


def _note(weights: str, observer: str, found: Agreement, i: int) -> str:
    shares = found.plain[i].softmax(0)
    first, other = (shares[logits.argmax()] for logits in (found.plain[i], found.quantized[i]))
    return f"{weights}, {observer}, {PHOTOGRAPHS[i]}: to float32 its own class is {first:.2f}, int8's {other:.2f}"


if __name__ == "__main__":
    main()

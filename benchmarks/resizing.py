"""Upsampling as compiled here, beside torch's own: heads of dense tasks, one thread.

    python benchmarks/resizing.py
    python benchmarks/resizing.py --mode bicubic --calls 50

`images`: channels apart, as torch stores images by default. `pixels`: channels innermost before and after, as between
convolutions. `scores`: channels innermost before and apart after, as scores of classes leave a network. `labels`: the
class with the highest score at each pixel. The least time of some calls counts, because other programs only add time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from latency_table import markdown
from torch import Tensor, nn

from blockfront.signature import Input, Signature
from blockfront.targets import METERS, RunOptions, compile_model, get_target
from blockfront.targets.latency.meters.measure import LoadedProgram

CLASSES = ((9, 12, 96), (21, 14, 224), (150, 32, 512))
FEATURES = ((256, 10, 20), (256, 20, 40), (256, 40, 80), (64, 64, 128), (128, 16, 128))
FORMS = {"images": (*CLASSES, *FEATURES), "pixels": FEATURES, "scores": CLASSES, "labels": CLASSES}


class Resized(nn.Module):
    """An image of one of the `FORMS` at another size."""

    def __init__(self, form: str, size: int, mode: str) -> None:
        super().__init__()
        self.form, self.size, self.mode = form, size, mode

    def forward(self, image: Tensor) -> Tensor:
        before = image if self.form == "images" else image.permute(0, 3, 1, 2)
        resized = F.interpolate(before, (self.size, self.size), mode=self.mode)
        if self.form == "labels":
            return resized.argmax(1)
        return resized.permute(0, 2, 3, 1) if self.form == "pixels" else resized


def least(call: Callable[[], object], calls: int) -> float:
    """Milliseconds of the fastest of some calls, after one that warms up."""
    call()
    taken = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return 1e3 * min(taken)


def row(form: str, shape: tuple[int, int, int], mode: str, calls: int) -> list[str]:
    """What one resizing takes, as compiled and in torch, and how far it is from torch's."""
    channels, before, after = shape
    module, host = Resized(form, after, mode), get_target("host")
    sizes = (1, channels, before, before) if form == "images" else (1, before, before, channels)
    program = compile_model(module, Signature((Input("image", sizes),)), host, threads=1)
    with METERS["local"].session(RunOptions(host, 1)) as session:
        loaded = LoadedProgram(program, session)
        ours = min(loaded.milliseconds(1, calls))
    image = torch.randn(sizes)
    with torch.inference_mode():
        theirs = least(lambda: module(image), calls)
    times = [f"{ms:.3g}" for ms in (ours, theirs)]
    unscheduled = len(program.unscheduled_kernels)
    named = [f"{channels} × {before}² → {after}²", form]
    return [*named, *times, f"{ours / theirs:.2f}", f"{program.max_rel_error:.0e}", str(unscheduled)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("bilinear", "bicubic"), default="bilinear")
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--forms", nargs="+", choices=list(FORMS), default=list(FORMS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    heads = ["channels, sizes", "form", "ms", "torch ms", "ratio", "relative error", "unscheduled"]
    cases = [(form, shape) for form in arguments.forms for shape in FORMS[form]]
    print(markdown(heads, [row(*case, arguments.mode, arguments.calls) for case in cases]))


if __name__ == "__main__":
    main()

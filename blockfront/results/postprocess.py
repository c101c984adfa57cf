"""What follows a detector on its device: from its outputs to boxes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BoxCandidates:
    """The scores above a threshold that a trained detector gave, of the test image that has as many as the mean.

    Of `rows` anchors and `classes`. `content` is compressed: of each the place among all scores (int32), then of each
    its score and corners (five float32). `mean` and `p95` are of how many an image has. With masks there are
    `prototypes`: how many, their height and their width.
    """

    rows: int
    classes: int
    threshold: float
    mean: float
    p95: float
    content: bytes
    prototypes: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Postprocess:
    """Decoding and suppression on outputs that the trained network gave for a test image, in milliseconds.

    `candidates` are the scores above the `threshold`, the mean over the test images, and `candidates_p95` their 95th
    percentile; the image is one with as many as the mean. At most `capacity` of them are looked at, and what overlaps a
    better one of its class by more than `overlap` goes. `toolchain` compiled them, whatever the network runs in.
    `masks_ms` are of what masks are cut from, for as many boxes as can be given.
    """

    decode_ms: float
    suppress_ms: float
    candidates: float
    candidates_p95: float
    threshold: float
    capacity: int
    overlap: float
    toolchain: str = "tvm"
    masks_ms: float = 0.0

    @property
    def ms(self) -> float:
        """Of all."""
        return self.decode_ms + self.suppress_ms + self.masks_ms

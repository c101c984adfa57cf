"""What follows a detector on its device: from its outputs to boxes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Postprocess:
    """Decoding and suppression on outputs that the trained network gave for a test image, in milliseconds.

    `candidates` are the scores above the `threshold`, the mean over the test images, and `candidates_p95` their 95th
    percentile; the image is one with as many as the mean. At most `capacity` of them are looked at, and what overlaps a
    better one of its class by more than `overlap` goes.
    """

    decode_ms: float
    suppress_ms: float
    candidates: float
    candidates_p95: float
    threshold: float
    capacity: int
    overlap: float

    @property
    def ms(self) -> float:
        """Of both."""
        return self.decode_ms + self.suppress_ms

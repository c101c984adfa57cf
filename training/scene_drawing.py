"""Scenes of shapes with patterns on smooth backgrounds, drawn from a seed: image i is the same whatever the count."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from blockfront.tasks import IGNORED

CLASSES = ("disc", "box", "triangle", "cross", "star", "ring")
SIDE = 96
"""Pixels of a scene each way."""
SIZES = (0.11, 0.55)
"""Of an object, as shares of the scene's side."""
MOST, EMPTY = 5, 0.06
"""Objects of a scene at most, and the share of scenes that have none."""
OVERLAP, TRIES = 0.15, 6
"""How much of the smaller one two objects share at most, as long as a place is found in so many tries."""
CONTRAST = 0.75
"""The least sum of the differences of an object's colour from what it covers, over red, green and blue."""
LEAST_PIXELS, LEAST_SHARE = 12, 0.4
"""Of an object that must be visible for it to be one that is to be found."""
FINER = 4
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class SceneObject:
    """An object of a scene by what of it is visible: its class, corners in pixels, pixels, and whether too few are.

    `mask` (SIDE, SIDE) has the pixels themselves.
    """

    kind: int
    box: tuple[int, int, int, int]
    area: int
    ignored: bool
    mask: NDArray[np.bool_] = field(compare=False)


def draw_scene(part: int, index: int) -> tuple[NDArray[np.uint8], list[SceneObject]]:
    """Scene number `index` of a part (0 training, 1 testing): (SIDE, SIDE, 3), and its objects, in the order drawn."""
    pixels, owner, drawn = _draw(part, index)
    found = (_visible(owner == number, kind, size) for number, (kind, size) in enumerate(drawn))
    return pixels, [one for one in found if one is not None]


def draw_masked_scene(part: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The same scene, and the class of each pixel (SIDE, SIDE): 0 of the background, 1 of the first of `CLASSES`.

    Pixels of objects of which too little is visible are of no class.
    """
    pixels, owner, drawn = _draw(part, index)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for number, (kind, size) in enumerate(drawn):
        own = owner == number
        found = _visible(own, kind, size)
        mask[own] = IGNORED if found is not None and found.ignored else kind + 1
    return pixels, mask


def _draw(part: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.intp], list[tuple[int, int]]]:
    """A scene, the number of the object that each pixel shows, -1 for none, and each object's class and pixels."""
    random = np.random.default_rng([part, index])
    scene = _background(random)
    owner = np.full((SIDE, SIDE), -1)
    placed: list[tuple[int, int, int, int]] = []
    drawn = []
    wanted = 0 if random.random() < EMPTY else int(random.integers(1, MOST + 1))
    for number in range(wanted):
        left, top, right, bottom = box = _place(random, placed)
        kind = int(random.integers(len(CLASSES)))
        shape = _shape(kind, right - left, bottom - top)
        fill = _fill(random, kind, scene[top:bottom, left:right].mean((0, 1)), right - left, bottom - top)
        part_of = scene[top:bottom, left:right]
        part_of += shape[..., None] * (fill - part_of)
        owner[top:bottom, left:right][shape > 0.5] = number
        placed.append(box)
        drawn.append((kind, int((shape > 0.5).sum())))
    scene += random.normal(scale=0.02, size=scene.shape).astype(np.float32)
    pixels = (scene.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels, owner, drawn


def _visible(mask: NDArray[np.bool_], kind: int, size: int) -> SceneObject | None:
    """An object by its visible pixels; None where there are none."""
    area = int(mask.sum())
    if not area:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return SceneObject(kind, box, area, area < LEAST_PIXELS or area < LEAST_SHARE * size, mask)


def _background(random: np.random.Generator) -> Pixels:
    base = random.uniform(0.2, 0.8, 3)
    layers = [(int(random.integers(2, 6)), 0.25), (int(random.integers(8, 25)), 0.1)]
    scene: Pixels = np.broadcast_to(base, (SIDE, SIDE, 3)).astype(np.float32)
    for cells, strength in layers:
        noise = random.uniform(-1, 1, (3, cells, cells)).astype(np.float32)
        smooth = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in noise]
        scene += np.float32(strength) * np.stack(smooth, axis=-1)
    return scene.clip(0, 1).astype(np.float32)


def _place(random: np.random.Generator, placed: list[tuple[int, int, int, int]]) -> tuple[int, int, int, int]:
    """Corners of a new object: of the tries the first that overlaps no other much, or the last."""
    for _ in range(TRIES):
        side = math.exp(random.uniform(math.log(SIZES[0]), math.log(SIZES[1]))) * SIDE
        stretch = math.exp(random.uniform(-math.log(2), math.log(2)) / 2)
        width, height = (min(max(round(one), 6), SIDE) for one in (side * stretch, side / stretch))
        left, top = int(random.integers(SIDE - width + 1)), int(random.integers(SIDE - height + 1))
        box = left, top, left + width, top + height
        if all(_shared(box, other) <= OVERLAP for other in placed):
            break
    return box


def _shared(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> float:
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return max(across, 0) * max(down, 0) / smaller


def _fill(random: np.random.Generator, kind: int, below: Pixels, width: int, height: int) -> Pixels:
    """The colours of an object (height, width, 3): of its class's pattern in two colours, both unlike what is below."""
    first = _unlike(random, below)
    second = _unlike(random, first)
    period = random.uniform(5, 8)
    y, x = np.mgrid[:height, :width] / period * 2
    parity = (
        np.zeros((height, width)),
        np.floor(y),
        np.floor(x),
        np.floor(y) + np.floor(x),
        np.floor((x + y) / math.sqrt(2)),
        ((x % 2 - 1) ** 2 + (y % 2 - 1) ** 2) < 0.4,
    )[kind]
    return np.where((np.asarray(parity) % 2 >= 1)[..., None], second, first).astype(np.float32)


def _unlike(random: np.random.Generator, other: Pixels) -> Pixels:
    """A colour that differs by `CONTRAST` from another one, or the most of twenty."""
    colours = random.uniform(0, 1, (20, 3))
    differences = np.abs(colours - other).sum(1)
    enough = np.flatnonzero(differences >= CONTRAST)
    return colours[enough[0] if len(enough) else differences.argmax()].astype(np.float32)


def _shape(kind: int, width: int, height: int) -> Pixels:
    """How much of each pixel a class's shape covers (height, width), from 0 to 1."""
    image = Image.new("L", (width * FINER, height * FINER))
    draw = ImageDraw.Draw(image)
    right, bottom = image.width - 1, image.height - 1

    def polygon(points: list[tuple[float, float]]) -> None:
        draw.polygon([(x * right, y * bottom) for x, y in points], fill=255)

    match CLASSES[kind]:
        case "disc":
            draw.ellipse((0, 0, right, bottom), fill=255)
        case "box":
            draw.rectangle((0, 0, right, bottom), fill=255)
        case "triangle":
            polygon([(0.5, 0), (1, 1), (0, 1)])
        case "cross":
            draw.rectangle((0.33 * right, 0, 0.67 * right, bottom), fill=255)
            draw.rectangle((0, 0.33 * bottom, right, 0.67 * bottom), fill=255)
        case "star":
            turns = [(math.pi * step / 5, 0.5 if step % 2 == 0 else 0.22) for step in range(10)]
            polygon([(0.5 + far * math.sin(turn), 0.5 - far * math.cos(turn)) for turn, far in turns])
        case "ring":
            draw.ellipse((0, 0, right, bottom), fill=255)
            draw.ellipse((0.3 * right, 0.3 * bottom, 0.7 * right, 0.7 * bottom), fill=0)
    return np.asarray(image.reduce(FINER), dtype=np.float32) / np.float32(255)

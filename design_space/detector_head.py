"""A detector's head as data: where its levels come from, and which anchors each has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from blockfront.design_space.text import match_segment
from blockfront.errors import UsageError
from blockfront.plurals import counted

HeadKind = Literal["ssdlite", "ssd", "retina"]
LOWEST, HIGHEST = 0.1, 0.7
"""Sizes of the anchors of the first and the last level, as shares of the image."""
RATIOS = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)
RETINA_RATIOS = (1 / 2, 1.0, 2.0)
PLACES: dict[HeadKind, str] = {"ssdlite": "abcdefghijklmno", "ssd": "abcdefghijklmno", "retina": "abcdefghi"}
"""The slots that a level can have. Of SSD's heads five ratios in turn of the level's size, of the geometric mean with
the next level's, and of the geometric mean of these two; of RetinaNet three sizes a third of the way to the next level
apart for each ratio in turn."""
USUAL: dict[HeadKind, str] = {"ssdlite": "abcdef", "ssd": "abcdef", "retina": PLACES["retina"]}
"""The slots of a level that nothing else is said of: those of SSD300's larger levels, and all of RetinaNet's."""


@dataclass(frozen=True)
class DetectorHead:
    """What follows a backbone in a detector.

    Levels are the outputs of the last `stages` stages of the backbone, brought to `fpn` channels by a feature pyramid
    where that is above 0, and behind them one of each width in `extras`, half as large as the one before. `slots` has a
    text for each level, of letters from `PLACES`: each is one anchor in every place of the level, and a level may have
    none. Levels of `ssdlite` and `ssd` may have shapes of their own instead, such as `80x120-200x100`: widths and
    heights in thousandths of the image. `ssdlite` and `ssd` have layers of their own for every level, separable or
    dense; `retina` has one head for all levels, with `towers` separable layers before the last one, and no background
    class. With `prototypes` above 0, so many maps, made of the finest level with slots, and as many coefficients of
    each anchor make masks (Bolya et al. 2019, arXiv:1904.02689). The text form is
    `ssdlite_l3_f48_x64_p16_sabcdef.abcdef.abdf.0`: stages, pyramid, extra levels, prototypes, slots, where 0 is a level
    without any.
    """

    kind: HeadKind
    slots: tuple[str, ...]
    stages: int
    extras: tuple[int, ...] = ()
    fpn: int = 0
    towers: int = 0
    prototypes: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(HeadKind):
            raise UsageError(f"a detector's head is one of {', '.join(get_args(HeadKind))}, not {self.kind!r}")
        if (
            self.stages < 1
            or min(self.fpn, self.towers, self.prototypes) < 0
            or any(width < 2 for width in self.extras)
        ):
            raise UsageError(f"a detector's head has one stage or more, and widths of two or more: {self}")
        if len(self.slots) != self.stages + len(self.extras):
            raise UsageError(
                f"a detector's head with {counted(self.stages, 'stage')} and "
                f"{counted(len(self.extras), 'extra level')} has as many lists of slots, not {len(self.slots)}"
            )
        for level in self.slots:
            if "x" in level:
                self._check_own_shapes(level)
            elif list(level) != sorted(set(level)) or not set(level) <= set(PLACES[self.kind]):
                raise UsageError(f"slots {level!r} are not letters of {PLACES[self.kind]} in order, each once")
        if not any(self.slots):
            raise UsageError("a detector needs at least one anchor; give a level a slot")
        if self.kind == "retina":
            self._check_shared()
        elif self.towers:
            raise UsageError(f"only the head of retina has towers, not {self.kind}'s")

    def _check_own_shapes(self, level: str) -> None:
        if self.kind == "retina" or not re.fullmatch(r"[1-9]\d{0,3}x[1-9]\d{0,3}(-[1-9]\d{0,3}x[1-9]\d{0,3})*", level):
            raise UsageError(f"slots {level!r} are no shapes of a level of ssdlite or ssd, such as 80x120-200x100")
        shapes = [_own_shape(name) for name in slot_names(level)]
        if shapes != sorted(set(shapes)):
            raise UsageError(f"shapes {level!r} are not in order of width, then height, each once")

    def _check_shared(self) -> None:
        if not self.fpn or set(self.extras) - {self.fpn}:
            raise UsageError("levels of retina share their layers: give a pyramid, and extra levels of its width")
        if len({level for level in self.slots if level}) > 1:
            raise UsageError("levels of retina share their layers: give all that have slots the same")

    @classmethod
    def of(
        cls,
        kind: HeadKind,
        stages: int,
        extras: tuple[int, ...] = (),
        fpn: int = 0,
        towers: int = 0,
        prototypes: int = 0,
    ) -> DetectorHead:
        """A head whose levels all have their usual slots."""
        return cls(kind, (USUAL[kind],) * (stages + len(extras)), stages, extras, fpn, towers, prototypes)

    @property
    def background(self) -> bool:
        """Whether one class more is the background's."""
        return self.kind != "retina"

    @property
    def levels(self) -> int:
        """How many levels it has, empty ones among them."""
        return len(self.slots)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many slots each level has."""
        return tuple(len(slot_names(level)) for level in self.slots)

    @property
    def sizes(self) -> tuple[float, ...]:
        """The size that each level is for, as a share of the image: they grow by one factor."""
        last = max(1, self.levels - 1)
        return tuple(LOWEST * (HIGHEST / LOWEST) ** (level / last) for level in range(self.levels))

    def maps(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        """Height and width of each level, from those of the backbone's stages."""
        found = list(sides[-self.stages :])
        for _ in self.extras:
            found.append(-(-found[-1] // 2))
        return tuple(found)

    def boxes(self, sides: tuple[int, ...]) -> int:
        """How many anchors an image has, from the sides of the backbone's stages."""
        return sum(side**2 * count for side, count in zip(self.maps(sides), self.counts, strict=True))

    def shapes(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Width and height of the anchors of each level, in the order of its slots, as shares of the image."""
        return tuple(
            tuple(
                _own_shape(slot) if "x" in slot else _shape(self.kind, PLACES[self.kind].index(slot), size, larger)
                for slot in slot_names(level)
            )
            for level, size, larger in zip(self.slots, self.sizes, [*self.sizes[1:], 1.0], strict=True)
        )

    def anchors(self, sides: tuple[int, ...]) -> Tensor:
        """All anchors (boxes, 4): centre x, centre y, width, height, as shares of the image.

        Levels in order, of each its rows, of these its columns, and of each place its slots.
        """
        found = []
        for side, shapes in zip(self.maps(sides), self.shapes(), strict=True):
            centres = (torch.arange(side) + 0.5) / side
            down, right = torch.meshgrid(centres, centres, indexing="ij")
            places = torch.stack([right, down], dim=-1).reshape(-1, 1, 2).expand(-1, len(shapes), 2)
            sizes = torch.tensor(shapes).reshape(1, -1, 2).expand(side**2, -1, 2)
            found.append(torch.cat([places, sizes], dim=-1).reshape(-1, 4))
        return torch.cat(found)

    def __str__(self) -> str:
        extras = f"_x{'.'.join(map(str, self.extras))}" if self.extras else ""
        widths = f"{f'_f{self.fpn}' if self.fpn else ''}{extras}{f'_t{self.towers}' if self.towers else ''}"
        widths += f"_p{self.prototypes}" if self.prototypes else ""
        return f"{self.kind}_l{self.stages}{widths}_s{'.'.join(level or '0' for level in self.slots)}"

    @classmethod
    def parse(cls, segment: str) -> DetectorHead:
        """The head with this text form; raises `UsageError` that shows it."""
        kind, stages, fpn, extras, towers, prototypes, slots = match_segment(
            segment,
            r"([a-z]+)_l(\d+)(?:_f(\d+))?(?:_x(\d+(?:\.\d+)*))?(?:_t(\d+))?(?:_p(\d+))?_s([a-z0-9.-]+)",
            "<head>_l<stages>[_f<pyramid>][_x<extra>.<extra>][_t<towers>][_p<prototypes>]_s<slots>.<slots>",
        )
        widths = tuple(map(int, extras.split("."))) if extras else ()
        letters = tuple("" if level == "0" else level for level in slots.split("."))
        try:
            numbers = (int(number or 0) for number in (fpn, towers, prototypes))
            return cls(kind, letters, int(stages), widths, *numbers)  # type: ignore[arg-type]
        except UsageError as error:
            raise UsageError(f"segment {segment!r}: {error}") from None


def slot_names(level: str) -> tuple[str, ...]:
    """The slots of a level's text, each by itself: letters, or shapes."""
    return tuple(level.split("-") if "x" in level else level)


def join_slots(names: Iterable[str]) -> str:
    """The reverse of `slot_names`."""
    names = tuple(names)
    return ("-" if any("x" in name for name in names) else "").join(names)


def _own_shape(slot: str) -> tuple[float, float]:
    width, height = slot.split("x")
    return int(width) / 1000, int(height) / 1000


def _shape(kind: HeadKind, place: int, size: float, larger: float) -> tuple[float, float]:
    """Width and height of one slot of a level with this size, before one with a larger one."""
    if kind == "retina":
        ratio, step = RETINA_RATIOS[place // 3], (place % 3) / 3
    else:
        ratio, step = RATIOS[place % len(RATIOS)], (0, 1 / 2, 1 / 4)[place // len(RATIOS)]
    size *= (larger / size) ** step
    return size / math.sqrt(ratio), size * math.sqrt(ratio)

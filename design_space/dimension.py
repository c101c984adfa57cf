"""One variable of a design space: the values it may take, and how one is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blockfront.blocks import Scalar
from blockfront.digest import digest
from blockfront.errors import UsageError


@dataclass(frozen=True)
class Dimension:
    """A finite, ordered set of values; make one with `choice` or `integer`."""

    values: tuple[Scalar, ...]


Field = Scalar | Dimension


def choice(*values: Scalar) -> Dimension:
    """One of `values`; raises `UsageError` for no values, a repeated one or one that is no scalar."""
    if not values:
        raise UsageError("choice() needs at least one value")
    for value in values:
        if type(value) not in (bool, int, float, str) or (isinstance(value, float) and not math.isfinite(value)):
            raise UsageError(f"a choice is a bool, int, finite float or str, not {value!r}")
    if len({(isinstance(value, bool), value) for value in values}) < len(values):
        raise UsageError(f"choice{values!r} repeats a value")
    return Dimension(values)


def integer(low: int, high: int, step: int = 1) -> Dimension:
    """One of low, low + step, ... up to and, if the steps reach it, including high.

    Raises `UsageError` for what are no whole numbers, and for a range that has none.
    """
    if any(type(value) is not int for value in (low, high, step)) or step < 1 or high < low:
        raise UsageError(f"integer({low!r}, {high!r}, step={step!r}) needs whole numbers, low <= high and step >= 1")
    return Dimension(tuple(range(low, high + 1, step)))


def values_of(field: Field) -> tuple[Scalar, ...]:
    """What `field` may be: a dimension's values, or the one constant."""
    return field.values if isinstance(field, Dimension) else (field,)


def check_whole(what: str, field: Field, least: int = 1) -> None:
    """Raise `UsageError` unless every value of `field` is a whole number of at least `least`."""
    for value in values_of(field):
        if type(value) is not int or value < least:
            raise UsageError(f"{what} is a whole number of at least {least}, not {value!r}")


def draw_value(dimension: Dimension, *key: Scalar) -> Scalar:
    """The value that `key` picks, each equally likely; the same on every machine, in every process."""
    return dimension.values[_hash(*key) * len(dimension.values) >> 64]


def shuffled_values(dimension: Dimension, *key: Scalar) -> tuple[Scalar, ...]:
    """The values in the random order that `key` picks."""
    return tuple(sorted(dimension.values, key=lambda value: _hash(*key, value)))


def _hash(*key: Scalar) -> int:
    text = "\x1f".join(repr(part) for part in key)
    return int(digest(text, 16), 16)

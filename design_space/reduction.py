"""Token reduction of a transformer: as part of a network, and as part of a space."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints
from urllib.parse import unquote

import msgspec

from blockfront.blocks import Scalar
from blockfront.blocks.tokens import METHODS
from blockfront.blocks.tokens.transformer import make_options
from blockfront.design_space.dimension import Field, values_of
from blockfront.design_space.spec import BlockOptions
from blockfront.design_space.text import format_value, match_segment
from blockfront.errors import UsageError

NONE = "none"
LEARNED = "ltmp"
"""The method whose counts training decides."""
# Options whose value follows their name at once, and which come first; others are `name=value`.
_SHORT = ("r", "keep", "target")


@dataclass(frozen=True)
class ReductionSpec:
    """A token reduction method with its options; `str` is its segment of a network's text, such as `tome_r4`.

    `options` holds every option that has a value, defaults too, sorted by name: make one with `ReductionSpec.of`.
    """

    method: str
    options: BlockOptions

    @classmethod
    def of(cls, method: str, **options: Any) -> ReductionSpec:
        """A method with its defaults filled in; values may be text. Raises `UsageError` for what it does not take."""
        entry = METHODS[method]
        hints = get_type_hints(entry.options)
        values = {name: _as_type(method, name, value, hints.get(name, Any)) for name, value in options.items()}
        made = dataclasses.asdict(make_options(entry, values))
        for name, value in made.items():
            if isinstance(value, tuple):
                raise UsageError(f"{name} of {method} is one number for all blocks, not {value!r}")
        return cls(method, tuple(sorted((name, value) for name, value in made.items() if value is not None)))

    def __str__(self) -> str:
        defaults = {option.name: option.default for option in dataclasses.fields(METHODS[self.method].options)}
        given = [(name, format_value(value)) for name, value in self.options if value != defaults[name]]
        short = [f"{name}{value}" for name, value in given if name in _SHORT]
        others = [f"{name.replace('_', '-')}={value}" for name, value in given if name not in _SHORT]
        return "_".join([self.method, *short, *others])

    @classmethod
    def parse(cls, segment: str) -> ReductionSpec:
        """The reduction with this segment; raises `UsageError` that shows it."""
        method, rest = match_segment(segment, r"([a-z]+)((?:_[^_]+)*)", "<method>_r<tokens> or <method>_keep<share>")
        options: dict[str, str] = {}
        try:
            for field in rest.split("_")[1:]:
                name, value = match_segment(field, rf"([a-z-]+(?==)|{'|'.join(_SHORT)})=?(.+)", "<name>=<value>")
                if name in options:
                    raise UsageError(f"{name} is given twice")
                options[name] = unquote(value)
            return cls.of(method, **{name.replace("-", "_"): value for name, value in options.items()})
        except UsageError as error:
            raise UsageError(f"segment {segment!r}: {error}") from None


@dataclass(frozen=True, init=False)
class Reduction:
    """A token reduction of a space: a method of `blockfront.blocks.tokens`, or "none", and its options.

    Every option is a constant or a dimension (`choice`, `integer`), as in `Reduction("tome", r=integer(1, 5))`.
    """

    method: str
    options: tuple[tuple[str, Field], ...]

    def __init__(self, method: str, **options: Field) -> None:
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "options", tuple(sorted(options.items())))

    @property
    def family(self) -> str:
        """The family of networks that have it."""
        return family_of(None if self.method == NONE else self.method)

    def check(self) -> None:
        """Raise `UsageError` for values that the method cannot have."""
        names = [name for name, _ in self.options]
        if self.method == NONE:
            if names:
                raise UsageError(f"no reduction takes no options, not {', '.join(names)}")
            return
        for values in itertools.product(*(values_of(field) for _, field in self.options)):
            ReductionSpec.of(self.method, **dict(zip(names, values, strict=True)))

    def spec(self, take: Callable[[str, Field], Scalar]) -> ReductionSpec | None:
        """The reduction with the values that `take(name, field)` gives."""
        if self.method == NONE:
            return None
        return ReductionSpec.of(self.method, **{name: take(name, field) for name, field in self.options})


def family_of(method: str | None) -> str:
    """The family of transformers with this reduction, or without one: `vit_tome`, `vit`."""
    return "vit" if method is None else f"vit_{method}"


def _as_type(method: str, name: str, value: Any, hint: Any) -> Any:
    """`value` as the option's type, so that 1 and 1.0 are one network."""
    try:
        return msgspec.convert(value, hint, strict=not isinstance(value, str))
    except msgspec.ValidationError:
        raise UsageError(f"option {name!r} of {method} cannot be {value!r}") from None

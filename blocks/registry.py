"""The registry of building blocks, and how a block is made from its name."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from blockfront.errors import UsageError, unknown
from blockfront.plurals import counted
from blockfront.registry import Registry

Scalar = bool | int | float | str
ModuleClass = TypeVar("ModuleClass", bound=type[nn.Module])

SHAPE_PARAMETERS = ("in_chs", "out_chs", "stride")
STAGE_FIELDS = ("block", "depth", "width", "stride")


@dataclass(frozen=True)
class Block:
    """A block type: `cls(in_chs, out_chs, stride, **options)`; `options` maps its options to defaults."""

    name: str
    title: str
    source: str
    cls: type[nn.Module]
    options: dict[str, Scalar]

    def option(self, name: str, value: Scalar) -> Scalar:
        """`value` as the type of the option's default, so that 6 and 6.0 are one network.

        Raises `UsageError` for an option the block does not take and for a value of another type.
        """
        if name not in self.options:
            taken = f"it takes {', '.join(self.options) or 'none'}"
            raise unknown("option", name, self.options, within=f"block {self.name!r} has", otherwise=taken)
        kind = type(self.options[name])
        if kind is not float and type(value) is kind:
            return value
        if kind is float and not isinstance(value, bool | str) and math.isfinite(value):
            return float(value) + 0.0  # -0.0 becomes 0.0
        if kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        raise UsageError(f"option {name!r} of block {self.name!r} is of type {kind.__name__}, not {value!r}")


BLOCKS: Registry[Block] = Registry("block")


def register_block(name: str, title: str = "", source: str = "") -> Callable[[ModuleClass], ModuleClass]:
    """Class decorator that makes a block known as `name`.

    The class is an `nn.Module` with `__init__(self, in_chs, out_chs, stride=1, <options with defaults>)` from
    (N, in_chs, H, W) to (N, out_chs, H / stride, W / stride). A default's type (bool, int, float or str) is
    the option's type. Raises `UsageError` for a name that the text form of networks cannot carry or another
    block has, and for another signature.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or re.search(r"_r\d", name) or name in ("cnn", "stem", "head"):
        raise UsageError(f"block name {name!r}: use lower-case letters, digits and _, without '_r<digit>'")

    def register(cls: ModuleClass) -> ModuleClass:
        summary = (inspect.getdoc(cls) or name).splitlines()[0] if cls.__doc__ else name
        BLOCKS.add(name, Block(name, title or summary, source, cls, _read_options(name, cls)))
        return cls

    return register


def create_block(name: str, in_chs: int, out_chs: int, stride: int = 1, **options: Scalar) -> nn.Module:
    """A new block of the registered type `name`; raises `UsageError` when it cannot be built so."""
    block = BLOCKS[name]
    given = {option: block.option(option, value) for option, value in options.items()}
    if in_chs < 1 or out_chs < 1 or stride not in (1, 2):
        raise UsageError(f"block {name!r} needs positive widths and stride 1 or 2, not {in_chs}, {out_chs}, {stride}")
    try:
        return block.cls(in_chs, out_chs, stride, **given)
    except UsageError:
        raise
    except (ValueError, AssertionError, ZeroDivisionError, RuntimeError, TypeError, KeyError) as error:
        settings = ", ".join(f"{key}={value!r}" for key, value in given.items())
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        shape = f"from {in_chs} to {counted(out_chs, 'channel')}, stride {stride}"
        raise UsageError(f"block {name!r} ({settings}) cannot be built {shape}: {reason}") from error


def _read_options(name: str, cls: type[nn.Module]) -> dict[str, Scalar]:
    parameters = list(inspect.signature(cls).parameters.values())
    if tuple(parameter.name for parameter in parameters[:3]) != SHAPE_PARAMETERS:
        raise UsageError(f"block {name!r}: __init__ must begin with (self, in_chs, out_chs, stride)")
    for parameter in parameters[3:]:
        if parameter.name in STAGE_FIELDS:
            raise UsageError(f"block {name!r}: option {parameter.name!r} is a field of every stage; rename it")
    return defaults_of(f"block {name!r}", parameters[3:])


def defaults_of(what: str, parameters: Sequence[inspect.Parameter]) -> dict[str, Scalar]:
    """The options of `what` and their defaults; raises `UsageError` for a default whose type says no option's."""
    options: dict[str, Scalar] = {}
    for parameter in parameters:
        default = parameter.default
        if type(default) not in (bool, int, float, str) or default in (math.inf, -math.inf) or default != default:
            raise UsageError(
                f"{what}: option {parameter.name!r} needs a default that is a bool, int, finite float or str"
            )
        options[parameter.name] = default + 0.0 if isinstance(default, float) else default
    return options

"""Token reductions of one's own, as a class and one line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields, make_dataclass
from typing import Any, TypeVar

from timm.models.vision_transformer import VisionTransformer

from blockfront.blocks.registry import defaults_of
from blockfront.blocks.tokens.reducer import METHODS, Method, Reducer
from blockfront.blocks.tokens.scored import ScoredOptions, ScoredReducer, make_scored
from blockfront.errors import UsageError

ReducerClass = TypeVar("ReducerClass", bound=type[Reducer])
_SCORED = tuple(field.name for field in fields(ScoredOptions))


def register_reducer(name: str, title: str = "", source: str = "") -> Callable[[ReducerClass], ReducerClass]:
    """Class decorator that makes a token reduction known as `name`.

    A `ScoredReducer` has the options of `ScoredOptions` and those that its `__init__(self, backbone, removes, fusion,
    <options with defaults>)` adds; any other `Reducer` those of its `__init__(self, backbone, <options with
    defaults>)`. A default's type (bool, int, float or str) is the option's type. Raises `UsageError` for a name that
    the text form of networks cannot carry or another reduction has, and for another signature.
    """
    if not re.fullmatch(r"[a-z]+", name) or name == "none":
        raise UsageError(f"reduction name {name!r}: use lower-case letters alone, and not none")

    def register(cls: ReducerClass) -> ReducerClass:
        summary = (inspect.getdoc(cls) or name).splitlines()[0] if cls.__doc__ else name
        METHODS.add(name, _method(name, title or summary, source, cls))
        return cls

    return register


def _method(name: str, title: str, source: str, cls: type[Reducer]) -> Method:
    scored = issubclass(cls, ScoredReducer)
    first = ("backbone", "removes", "fusion") if scored else ("backbone",)
    parameters = list(inspect.signature(cls).parameters.values())
    if tuple(parameter.name for parameter in parameters[: len(first)]) != first:
        raise UsageError(f"reduction {name!r}: __init__ must begin with (self, {', '.join(first)})")
    own = defaults_of(f"reduction {name!r}", parameters[len(first) :])
    for option in own:
        if scored and option in _SCORED:
            raise UsageError(f"reduction {name!r}: every reduction that scores has an option {option!r}; rename it")
    bases = (ScoredOptions,) if scored else ()
    options = make_dataclass(name, [(key, type(it), it) for key, it in own.items()], bases=bases, frozen=True)

    def make(backbone: VisionTransformer, chosen: Any) -> Reducer:
        given = {option: getattr(chosen, option) for option in own}
        return make_scored(cls, backbone, chosen, **given) if issubclass(cls, ScoredReducer) else cls(backbone, **given)

    return Method(name, title, source, options, make)

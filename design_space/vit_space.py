"""Design spaces of vision transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from blockfront.design_space.dimension import Dimension, Field, check_whole, values_of
from blockfront.design_space.reduction import NONE, Reduction
from blockfront.design_space.space import Space, Take, describe_field
from blockfront.design_space.vit import VitNetwork
from blockfront.errors import UsageError

Made = TypeVar("Made", bound=VitNetwork)


@dataclass(frozen=True)
class TransformerSpace(Space):
    """Vision transformers, plain or with tokens reduced; every field is a constant or a dimension.

    `patch` is in pixels; `width` in channels, `head_width` of them a head; the hidden layer of an MLP has `mlp_ratio`
    times as many. `reductions` are the families that are compared. Raises `UsageError` for what no network could have,
    such as patches that do not divide the resolution.

    >>> from blockfront.design_space import choice, integer
    >>> reductions = [Reduction("none"), Reduction("tome", r=integer(1, 4))]
    >>> sizes = {"patch": 4, "depth": 4, "width": choice(64, 96), "head_width": 32}
    >>> space = TransformerSpace("tiny", resolution=32, num_classes=10, reductions=reductions, **sizes)
    >>> str(space.sample(seed=0, index=0)).split("/")[0]
    'vit_32_n10'
    """

    patch: Field = field(default=16, kw_only=True)
    depth: Field = field(default=12, kw_only=True)
    width: Field = field(default=192, kw_only=True)
    head_width: Field = field(default=64, kw_only=True)
    mlp_ratio: Field = field(default=4, kw_only=True)
    reductions: Sequence[Reduction] = field(default=(Reduction(NONE),), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("patch", "depth", "width", "head_width"):
            check_whole(name, getattr(self, name))
        for what, whole, part in (("resolution", self.resolution, "patch"), ("width", self.width, "head_width")):
            for size in values_of(whole):
                for divisor in values_of(getattr(self, part)):
                    if int(size) % int(divisor):
                        raise UsageError(f"every {what} is a multiple of every {part}, and {size} is none of {divisor}")
        for ratio in values_of(self.mlp_ratio):
            if isinstance(ratio, bool | str) or not ratio > 0:
                raise UsageError(f"mlp_ratio is a number above 0, not {ratio!r}")
        if not self.reductions:
            raise UsageError(f'design space {self.name!r} needs at least one Reduction, such as Reduction("none")')
        methods = [reduction.method for reduction in self.reductions]
        for method in methods:
            if methods.count(method) > 1:
                raise UsageError(f"design space {self.name!r} has two reductions {method!r}; give one a choice of both")
        for reduction in self.reductions:
            reduction.check()

    @property
    def family(self) -> Field:
        """The families of its reductions."""
        families = tuple(reduction.family for reduction in self.reductions)
        return Dimension(families) if len(families) > 1 else families[0]

    def make(self, take: Take) -> VitNetwork:
        return self.make_as(VitNetwork, take)

    def make_as(self, kind: type[Made], take: Take, **own: Any) -> Made:
        """A network of a kind of transformers, with `own` fields of that kind."""
        family = take("family", self.family)
        (reduction,) = (one for one in self.reductions if one.family == family)
        width = take("width", self.width)
        return kind(
            resolution=take("resolution", self.resolution),
            num_classes=take("num_classes", self.num_classes),
            patch=take("patch", self.patch),
            depth=take("depth", self.depth),
            width=width,
            heads=width // take("head_width", self.head_width),
            mlp_ratio=take("mlp_ratio", self.mlp_ratio),
            reduction=reduction.spec(lambda name, value: take(f"{reduction.method}.{name}", value)),
            task=self.task_of_networks,
            **own,
        )

    def parts(self) -> dict[str, Any]:
        fields = {name: describe_field(getattr(self, name)) for name in ("patch", "depth", "width", "head_width")}
        reductions = [
            {"method": reduction.method, "options": {name: describe_field(value) for name, value in reduction.options}}
            for reduction in self.reductions
        ]
        return {**fields, "mlp_ratio": describe_field(self.mlp_ratio), "reductions": reductions}

"""A design space: a set of networks, from which any one can be drawn by number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from timm.layers import make_divisible

from bench.blocks import BLOCKS, Scalar
from bench.design_space.constraints import Constraints, broken_constraints, check_constraints
from bench.design_space.dimension import Dimension, Field, values_of
from bench.design_space.network import Network
from bench.design_space.sampling import Pick, Sampler, Values
from bench.design_space.spec import Head, StageSpec, Stem
from bench.design_space.stage import Stage, check_stage, check_whole
from bench.errors import UsageError


@dataclass(frozen=True)
class DesignSpace:
    """Networks of a stem, stages and a head; every field is a constant or a dimension (`choice`, `integer`).

    `stem` and `head` are widths (a head of 0 has no convolution). `family` gives one block type to the whole
    network; `Stage(block=...)` gives a stage its own. `constraints` maps macs, params or activations to (low,
    high), both allowed. `multiplier` scales the widths of all stages, rounded to multiples of 8 (the width
    multiplier of MobileNet, arXiv:1704.04861), so that cheap and costly blocks reach the same costs. Raises
    `UsageError` for what no network could have.

    >>> from bench.design_space import choice, integer
    >>> stage = Stage(depth=integer(1, 3), width=integer(16, 32, step=8), stride=2)
    >>> space = DesignSpace("tiny", resolution=32, family=choice("ir", "ghost"), stages=[stage])
    >>> space.sample(seed=0, index=17).resolution
    32
    """

    name: str
    resolution: Field = field(default=224, kw_only=True)
    num_classes: Field = field(default=1000, kw_only=True)
    stem: Field = field(default=16, kw_only=True)
    stem_kernel: Field = field(default=3, kw_only=True)
    stem_stride: Field = field(default=2, kw_only=True)
    stem_act: Field = field(default="relu", kw_only=True)
    stem_pool: Field = field(default=False, kw_only=True)
    family: Field | None = field(default=None, kw_only=True)
    stages: Sequence[Stage] = field(default=(), kw_only=True)
    multiplier: Field = field(default=1.0, kw_only=True)
    head: Field = field(default=0, kw_only=True)
    head_act: Field = field(default="relu", kw_only=True)
    constraints: Constraints = field(default_factory=dict, kw_only=True)
    _samplers: dict[int, Sampler] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.stages:
            raise UsageError(f"design space {self.name!r} needs at least one Stage")
        for name, least in (("resolution", 1), ("num_classes", 1), ("stem", 1), ("head", 0)):
            check_whole(name, getattr(self, name), least)
        check_whole("stem_kernel", self.stem_kernel)
        check_whole("stem_stride", self.stem_stride)
        for multiplier in values_of(self.multiplier):
            if isinstance(multiplier, bool | str) or not multiplier > 0:
                raise UsageError(f"multiplier is a number above 0, not {multiplier!r}")
        for block in values_of(self.family) if self.family is not None else ():
            BLOCKS[str(block)]
        for number, stage in enumerate(self.stages, 1):
            check_stage(stage, number, self.family)
        check_constraints(self.constraints)

    def sample(self, seed: int, index: int) -> Network:
        """Network number `index` of `seed`: the same on every machine, in every process and order.

        Networks of one seed are distinct and meet the constraints. Raises `UsageError` when that is
        impossible, saying how close the attempts came or how many networks there are.
        """
        return self.sample_values(seed, index)[1]

    def sample_values(self, seed: int, index: int) -> tuple[Values, Network]:
        """`sample`, with the value of every dimension that made the network."""
        if index < 0:
            raise UsageError(f"index is at least 0, not {index}")
        # int() since draws hash the text of the seed, and NumPy's integers print in another way.
        sampler = self._samplers.setdefault(int(seed), Sampler(self, int(seed)))
        values, network = sampler[int(index)]
        return dict(values), network

    def suggest(self, trial: Any) -> Network:
        """The network that an Optuna trial suggests; a dimension is suggested only where it is used.

        Constraints are not enforced: ask `broken` and prune.
        """
        return self.compose(lambda name, dimension: trial.suggest_categorical(name, dimension.values))[1]

    def network(self, values: Mapping[str, Scalar]) -> Network:
        """The network with these values of the dimensions, as in `sample_values` or a trial's `params`."""

        def pick(name: str, dimension: Dimension) -> Scalar:
            if name not in values:
                raise UsageError(f"design space {self.name!r} needs a value for {name!r}")
            if values[name] not in dimension.values:
                raise UsageError(f"{name!r} of design space {self.name!r} cannot be {values[name]!r}")
            return values[name]

        used, network = self.compose(pick)
        if unused := sorted(set(values) - set(used)):
            raise UsageError(f"design space {self.name!r} has no use for {', '.join(unused)} in {network}")
        return network

    def broken(self, network: Network) -> tuple[str, ...]:
        """The names of the constraints that `network` breaks."""
        return broken_constraints(network.cost, self.constraints) if self.constraints else ()

    def compose(self, pick: Pick) -> tuple[Values, Network]:
        """The network whose dimensions have the values that `pick(name, dimension)` returns, after them."""
        values: Values = {}

        def take(name: str, value: Field) -> Any:
            if not isinstance(value, Dimension):
                return value
            values[name] = pick(name, value)
            return values[name]

        resolution = take("resolution", self.resolution)
        num_classes = take("num_classes", self.num_classes)
        stem = Stem(
            width=take("stem", self.stem),
            kernel=take("stem_kernel", self.stem_kernel),
            stride=take("stem_stride", self.stem_stride),
            act=take("stem_act", self.stem_act),
            pool=take("stem_pool", self.stem_pool),
        )
        uses_family = any(stage.block is None for stage in self.stages)
        family: Any = take("family", self.family) if uses_family and self.family is not None else None
        multiplier = take("multiplier", self.multiplier)
        stages = []
        for number, stage in enumerate(self.stages, 1):
            prefix = f"stage{number}."
            block = family if stage.block is None else take(prefix + "block", stage.block)
            depth = take(prefix + "depth", stage.depth)
            width = take(prefix + "width", stage.width)
            width = width if multiplier == 1 else make_divisible(width * multiplier)
            stride = take(prefix + "stride", stage.stride)
            known = BLOCKS[block].options
            options = {name: take(prefix + name, value) for name, value in stage.options if name in known}
            stages.append(StageSpec.of(block, depth, width, stride, **options))
        head_width = take("head", self.head)
        head = Head(head_width, take("head_act", self.head_act)) if head_width else Head()
        return values, Network(resolution, num_classes, stem, tuple(stages), head)

    def enumerate(self) -> Iterator[tuple[Values, Network]]:
        """Every network with its values, in the order of the dimensions; constraints are not applied."""
        path: list[int] = []
        while True:
            sizes: list[int] = []

            def pick(name: str, dimension: Dimension, sizes: list[int] = sizes) -> Scalar:
                if len(sizes) == len(path):
                    path.append(0)
                sizes.append(len(dimension.values))
                return dimension.values[path[len(sizes) - 1]]

            yield self.compose(pick)
            while path and path[-1] + 1 == sizes[len(path) - 1]:
                path.pop()
            if not path:
                return
            path[-1] += 1

    def with_input(self, resolution: int | None = None, num_classes: int | None = None) -> DesignSpace:
        """The space with another input or number of classes, where given."""
        return replace(
            self,
            resolution=self.resolution if resolution is None else resolution,
            num_classes=self.num_classes if num_classes is None else num_classes,
        )

    def definition(self) -> dict[str, Any]:
        """The space as JSON: constants as they are, a dimension as {"choice": values}."""
        stages = [
            {name: _describe(getattr(stage, name)) for name in ("block", "depth", "width", "stride")}
            | {"options": {name: _describe(value) for name, value in stage.options}}
            for stage in self.stages
        ]
        constraints = {name: [float(low), float(high)] for name, (low, high) in sorted(self.constraints.items())}
        fields = ["resolution", "num_classes", "stem", "stem_kernel", "stem_stride", "stem_act", "stem_pool"]
        fields += ["family", "multiplier", "head", "head_act"]
        described = {name: _describe(getattr(self, name)) for name in fields}
        return {"name": self.name, **described, "stages": stages, "constraints": constraints}

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the definition, the name left out."""
        definition = {key: value for key, value in self.definition().items() if key != "name"}
        canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _describe(value: Field | None) -> Any:
    return {"choice": list(value.values)} if isinstance(value, Dimension) else value

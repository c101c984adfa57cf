"""What all kinds of design spaces are: sets of networks, from which any one can be drawn by number."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from blockfront.blocks import Scalar
from blockfront.design_space.constraints import Constraints, broken_constraints, check_constraints
from blockfront.design_space.dimension import Dimension, Field, check_whole, values_of
from blockfront.design_space.network import Network
from blockfront.design_space.pairing import PairedSequence
from blockfront.design_space.sampling import NetworkSequence, Pick, Values
from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.tasks import CLASSIFICATION, TASKS

Take = Callable[[str, Field], Any]


@dataclass(frozen=True)
class Space(ABC):
    """What spaces of all kinds share; every field is a constant or a dimension (`choice`, `integer`).

    `num_classes` is how many outputs networks have, of classification the classes; `task` what they are for, an entry
    of `blockfront.tasks.TASKS`, or None for whatever the data set is for, without one classification. `constraints`
    maps macs, params, activations, and of a target flash_bytes, ram_bytes or latency_ms, to (low, high), both allowed.
    A kind of space says how a network is made of values (`make`), what its `family` may be, and what else defines it
    (`parts`).
    """

    places: ClassVar[str] = ""
    """How its networks say where in a picture things are, as some tasks ask."""

    name: str
    resolution: Field = field(default=224, kw_only=True)
    num_classes: Field = field(default=1000, kw_only=True)
    task: str | None = field(default=None, kw_only=True)
    constraints: Constraints = field(default_factory=dict, kw_only=True)
    _sequences: dict[tuple[int, bool], NetworkSequence | PairedSequence] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    fitted: ClassVar[tuple[str, ...]] = ()
    """Dimensions that bring costly and cheap blocks to the same costs: in pairs each network has its own value."""

    def __post_init__(self) -> None:
        check_whole("resolution", self.resolution)
        check_whole("num_classes", self.num_classes)
        check_places(self.name, self.task_of_networks, self.places)
        check_constraints(self.constraints)

    @property
    @abstractmethod
    def family(self) -> Field | None:
        """The families of its networks, if they have one; samples have as many networks of each."""

    @property
    def families(self) -> tuple[Scalar, ...]:
        """What the family may be; empty for a space without one."""
        return () if self.family is None else values_of(self.family)

    @property
    def task_of_networks(self) -> str:
        """The task that its networks name."""
        return self.task or CLASSIFICATION

    @abstractmethod
    def make(self, take: Take) -> Network:
        """A network of the values that `take(name, field)` gives: a constant's own, a dimension's by choice."""

    @abstractmethod
    def parts(self) -> dict[str, Any]:
        """What the space has beside a name, an input and constraints, as JSON."""

    def sample(self, seed: int, index: int, *, paired: bool = False) -> Network:
        """Network number `index` of `seed`: the same on every machine, in every process and order.

        Networks of one seed are distinct and meet the constraints. `paired` is another sequence, in which as many
        networks in a row as there are `families` have one skeleton (`PairedSequence`). Raises `UsageError` when that
        is impossible, saying how close the attempts came or how many networks there are.
        """
        return self.sample_values(seed, index, paired=paired)[1]

    def sample_values(self, seed: int, index: int, *, paired: bool = False) -> tuple[Values, Network]:
        """`sample`, with the value of every dimension that made the network."""
        if index < 0:
            raise UsageError(f"index is at least 0, not {index}")
        # int() since draws hash the text of the seed, and NumPy's integers print in another way.
        kind = PairedSequence if paired else NetworkSequence
        sequence = self._sequences.setdefault((int(seed), paired), kind(self, int(seed)))
        values, network = sequence[int(index)]
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
        """The names of the constraints that `network` breaks before it is compiled."""
        return broken_constraints(network.cost, self.constraints) if self.constraints else ()

    def compose(self, pick: Pick) -> tuple[Values, Network]:
        """The network whose dimensions have the values that `pick(name, dimension)` returns, after them."""
        values: Values = {}

        def take(name: str, value: Field) -> Any:
            if not isinstance(value, Dimension):
                return value
            values[name] = pick(name, value)
            return values[name]

        network = self.make(take)
        return values, network

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

    def with_input(
        self, resolution: int | None = None, num_classes: int | None = None, task: str | None = None
    ) -> Self:
        """The space with another input, number of outputs or task, where given."""
        return replace(
            self,
            resolution=self.resolution if resolution is None else resolution,
            num_classes=self.num_classes if num_classes is None else num_classes,
            task=self.task if task is None else task,
        )

    def definition(self) -> dict[str, Any]:
        """The space as JSON: constants as they are, a dimension as {"choice": values}."""
        constraints = {name: [float(low), float(high)] for name, (low, high) in sorted(self.constraints.items())}
        shared = {name: describe_field(getattr(self, name)) for name in ("resolution", "num_classes")}
        if self.task_of_networks != CLASSIFICATION:
            shared["task"] = self.task
        return {"name": self.name, **shared, **self.parts(), "constraints": constraints}

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the definition, the name left out."""
        definition = {key: value for key, value in self.definition().items() if key != "name"}
        canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"))
        return digest(canonical, 12)


def check_places(name: str, task: str, places: str) -> None:
    """Raise `UsageError` when a task asks for other places in a picture than networks give."""
    wanted = TASKS[task].places
    if wanted != places:
        offered = f"say where things are by {places}" if places else "give one answer an image"
        other = {"": "mobile", "boxes": "detect", "pixels": "segment"}.get(wanted, f"one with places by {wanted}")
        raise UsageError(
            f"networks of space {name} {offered}, which is not {task}; take another space, such as {other}"
        )


def describe_field(value: Field | None) -> Any:
    """A field as JSON."""
    return {"choice": list(value.values)} if isinstance(value, Dimension) else value

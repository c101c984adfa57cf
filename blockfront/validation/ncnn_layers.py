"""What a network in ncnn's text format consists of.

A layer is a line: type, name, how many inputs and outputs, their names, and parameters id=value; ncnn's
docs/developer-guide/operators.md says what each id is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NcnnLayer:
    """A line of the text; parameters are by their ids."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: dict[int, str]

    def number(self, key: int, default: float = 0) -> int:
        """A parameter that is a whole number."""
        return int(float(self.parameters.get(key, default)))

    def pair(self, key: int, default: int = 0) -> tuple[int, int]:
        """A parameter along the width, and along the height where that has one of its own, ten ids further."""
        width = self.number(key, default)
        return width, self.number(key + 10, width)


def layers_of(param: str) -> list[NcnnLayer]:
    """The layers of a text, in its order."""
    return [_parse(line) for line in param.splitlines()[2:]]


def _parse(line: str) -> NcnnLayer:
    kind, _, inputs, outputs, *rest = line.split()
    first, last = int(inputs), int(inputs) + int(outputs)
    parameters = dict(part.split("=") for part in rest[last:])
    return NcnnLayer(kind, tuple(rest[:first]), tuple(rest[first:last]), {int(k): v for k, v in parameters.items()})

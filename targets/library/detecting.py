"""What the C library of a detector has besides its network: decoding, suppression, and all of it as one function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from textwrap import fill
from typing import Any

from blockfront.targets.compiler.program import Program
from blockfront.targets.library.interface import ALIGNMENT, Interface, Tensor
from blockfront.targets.library.plan import visible


@dataclass(frozen=True)
class BoxPrograms:
    """What follows a detector, compiled for the same target and threads as it is.

    `steps` are programs by the names of their functions, in order: `decode` takes what the network gives to scores and
    boxes, `suppress` those to (1, capacity, 6), and where there are `masks` to (1, capacity, 7), which are made of that
    and what else the network gives. Scores above `threshold` are looked at, of them the best `candidates`, and a box
    goes that a better one of its class overlaps by more than `overlap`.
    """

    steps: Mapping[str, Program]
    classes: int
    threshold: float
    candidates: int
    overlap: float

    @property
    def capacity(self) -> int:
        """The most boxes that are given of an image."""
        return int(self._detections[1])

    @property
    def fields(self) -> int:
        """Of a box: class, score, left, top, right, bottom, and with masks its anchor."""
        return int(self._detections[2])

    @property
    def _detections(self) -> tuple[int, ...]:
        return self.steps["suppress"].outputs[0].shape


@dataclass(frozen=True)
class Detecting:
    """The function `NAME_detect`, which calls the network and what follows it one after the other.

    `steps` are those of `programs`; `workspace_bytes` are what each of all needs.
    """

    programs: BoxPrograms
    run: Interface
    steps: tuple[Interface, ...]
    workspace_bytes: int

    @property
    def interface(self) -> Interface:
        """From the image to detections, how many there are, and their masks where it finds any."""
        count = Tensor("count", "count", (1,), "int32")
        masks = [one for step in self.steps[2:] for one in step.outputs]
        outputs = (self._detections, count, *masks)
        return Interface(self.run.name, self.run.inputs, outputs, "detect", "DETECT_WORKSPACE_BYTES")

    @property
    def _detections(self) -> Tensor:
        (detections,) = self.steps[1].outputs
        return detections

    @property
    def _passed(self) -> tuple[Tensor, ...]:
        """What one function gives to the next, and no caller sees."""
        return (*self.run.outputs, *self.steps[0].outputs)

    @property
    def _between(self) -> dict[str, int]:
        """Where in the workspace lies what one function gives to the next."""
        places, end = {}, -(-self.workspace_bytes // ALIGNMENT) * ALIGNMENT
        for tensor in self._passed:
            places[tensor.name] = end
            end += -(-tensor.bytes // ALIGNMENT) * ALIGNMENT
        return {**places, "": end}

    @property
    def whole_workspace_bytes(self) -> int:
        """What the function needs, for what lies between its steps too."""
        return self._between[""]

    @property
    def constants(self) -> dict[str, object]:
        """What a program needs to know, by name."""
        of = self.programs
        return {
            self.interface.workspace: self.whole_workspace_bytes,
            "CLASSES": of.classes,
            "CAPACITY": of.capacity,
            "CANDIDATES": of.candidates,
            "THRESHOLD": f"{of.threshold}f",
            "OVERLAP": f"{of.overlap}f",
        }

    @property
    def source(self) -> str:
        """The C of the function."""
        declared = "\n".join(
            f"  {tensor.c_type} *{tensor.name} = (void *)((char *)workspace + {self._between[tensor.name]});"
            for tensor in self._passed
        )
        steps = [
            f"{step.symbol}({', '.join([*(tensor.name for tensor in step.tensors), 'workspace'])})"
            for step in (self.run, *self.steps)
        ]
        return _SOURCE.substitute(
            begin=visible(self.interface.declaration),
            declared=declared,
            alignment=ALIGNMENT,
            detections=self._detections.name,
            steps="".join(f"  if (!error) error = {step};\n" for step in steps),
            fields=self.programs.fields,
            capacity=self.programs.capacity,
        )

    @property
    def header(self) -> str:
        """Declarations with what is to be known of them."""
        names = {"prefix": self.run.name.upper(), "name": self.run.name}
        masks = "masks" in self.programs.steps
        return _HEADER.substitute(
            names,
            detect=self.interface.declaration,
            steps="".join(f"{one.declaration};\n" for one in self.steps),
            count="three" if masks else "two",
            numbers="seven" if masks else "six",
            anchor=", anchor" if masks else "",
            masks=f"\n{fill(_MASKS.substitute(names), 120, **_INDENTED)}" if masks else "",
        )

    @property
    def shows(self) -> str:
        """Lines of C that print what was found."""
        return _SHOWS.substitute(detections=self._detections.name, fields=self.programs.fields)


_SOURCE = Template("""\
$begin
$declared
  int error = (uintptr_t)$detections % $alignment ? MISALIGNED : DONE;
  *count = 0;
$steps  if (error) return error;
  while (*count < $capacity && ${detections}[$fields * *count] >= 0) ++*count;
  return DONE;
}
""")

_HEADER = Template("""
/* From the image to boxes. Of each it gives $numbers numbers: class from 0, score, left, top, right, bottom$anchor;
   places are shares of the picture's width and height. `detections` has room for ${prefix}_CAPACITY, the best first,
   and `count` says how many there are; the class of what follows them is -1. Scores are above ${prefix}_THRESHOLD, of
   more than ${prefix}_CANDIDATES the best are looked at, and what a better box of its class overlaps by more than
   ${prefix}_OVERLAP (intersection over union) is left out. Stop at the score you want: boxes above it are those that it
   would leave as the threshold, if no more than ${prefix}_CANDIDATES scores are above it. The workspace has
   ${prefix}_DETECT_WORKSPACE_BYTES; `count` needs no alignment.$masks */
$detect;

/* The $count steps behind ${name}_run, for what it gives from elsewhere; workspaces as of ${name}_run. */
$steps""")

_MASKS = Template("""\
`masks` has a map for each box of `detections`, of ${prefix}_MASKS_SHAPE, which covers the whole picture: a pixel inside
the box is the object's where the map, enlarged bilinearly, is above 0. Those behind the first `count` mean nothing.""")
_INDENTED: dict[str, Any] = {"initial_indent": "   ", "subsequent_indent": "   "}

_SHOWS = Template("""\
  for (int i = 0; i < *t.count; i++) {
    const float *box = t.$detections + $fields * i;
    printf("class %d  score %.3f  left %.3f  top %.3f  right %.3f  bottom %.3f\\n", (int)box[0], (double)box[1],
           (double)box[2], (double)box[3], (double)box[4], (double)box[5]);
  }""")

"""What the C library of a detector has besides its network: decoding, suppression, and all of it as one function."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from blockfront.targets.compiler.program import Program
from blockfront.targets.library.interface import ALIGNMENT, Interface, Tensor
from blockfront.targets.library.plan import visible

FIELDS = 6
"""Of a box: class, score, left, top, right, bottom."""


@dataclass(frozen=True)
class BoxPrograms:
    """What follows a detector, compiled for the same target and threads as it is.

    `decode` takes what the network gives to scores and boxes, `suppress` those to (1, capacity, 6). Scores above
    `threshold` are looked at, of them the best `candidates`, and a box goes that a better one of its class overlaps by
    more than `overlap`.
    """

    decode: Program
    suppress: Program
    classes: int
    threshold: float
    candidates: int
    overlap: float

    @property
    def capacity(self) -> int:
        """The most boxes that are given of an image."""
        return int(self.suppress.outputs[0].shape[1])


@dataclass(frozen=True)
class Detecting:
    """The function `NAME_detect`, which calls the network, decoding and suppression one after the other.

    `workspace_bytes` are what each of these needs.
    """

    programs: BoxPrograms
    run: Interface
    decode: Interface
    suppress: Interface
    workspace_bytes: int

    @property
    def interface(self) -> Interface:
        """From the image to detections, and how many there are."""
        (detections,) = self.suppress.outputs
        count = Tensor("count", "count", (1,), "int32")
        return Interface(self.run.name, self.run.inputs, (detections, count), "detect", "DETECT_WORKSPACE_BYTES")

    @property
    def _between(self) -> dict[str, int]:
        """Where in the workspace lies what one function gives to the next."""
        places, end = {}, -(-self.workspace_bytes // ALIGNMENT) * ALIGNMENT
        for tensor in (*self.run.outputs, *self.decode.outputs):
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
            for tensor in (*self.run.outputs, *self.decode.outputs)
        )
        steps = [
            f"{step.symbol}({', '.join([*(tensor.name for tensor in step.tensors), 'workspace'])})"
            for step in (self.run, self.decode, self.suppress)
        ]
        (detections,) = self.suppress.outputs
        return _SOURCE.substitute(
            begin=visible(self.interface.declaration),
            declared=declared,
            alignment=ALIGNMENT,
            detections=detections.name,
            steps="".join(f"  if (!error) error = {step};\n" for step in steps),
            fields=FIELDS,
            capacity=self.programs.capacity,
        )

    @property
    def header(self) -> str:
        """Declarations with what is to be known of them."""
        names = {"prefix": self.run.name.upper(), "name": self.run.name}
        declarations = {one.function: one.declaration for one in (self.decode, self.suppress, self.interface)}
        return _HEADER.substitute(names, **declarations)

    @property
    def shows(self) -> str:
        """Lines of C that print what was found."""
        (detections,) = self.suppress.outputs
        return _SHOWS.substitute(detections=detections.name, fields=FIELDS)


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
/* From the image to boxes. Of each it gives six numbers: class from 0, score, left, top, right, bottom, the latter as
   shares of the picture's width and height. `detections` has room for ${prefix}_CAPACITY, the best first, and `count`
   says how many there are; the class of what follows them is -1. Scores are above ${prefix}_THRESHOLD, of more than
   ${prefix}_CANDIDATES the best are looked at, and what a better box of its class overlaps by more than
   ${prefix}_OVERLAP (intersection over union) is left out. Stop at the score you want: boxes above it are those that it
   would leave as the threshold, if no more than ${prefix}_CANDIDATES scores are above it. The workspace has
   ${prefix}_DETECT_WORKSPACE_BYTES; `count` needs no alignment. */
$detect;

/* The two steps behind ${name}_run, for logits and deltas that come from elsewhere; workspaces as of ${name}_run. */
$decode;
$suppress;
""")

_SHOWS = Template("""\
  for (int i = 0; i < *t.count; i++) {
    const float *box = t.$detections + $fields * i;
    printf("class %d  score %.3f  left %.3f  top %.3f  right %.3f  bottom %.3f\\n", (int)box[0], (double)box[1],
           (double)box[2], (double)box[3], (double)box[4], (double)box[5]);
  }""")

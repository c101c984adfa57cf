"""What a C program sees of a network: the header, an example, and the names in both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from string import Template

import numpy as np

from blockfront.errors import UsageError
from blockfront.targets.compiler.program import Program

ALIGNMENT = 64
"""What kernels take for granted of the addresses of tensors, in bytes."""

_TYPES = {"float32": "float", "float64": "double", "float16": "uint16_t", "bool": "uint8_t"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# What C and the function itself call something else.
_TAKEN = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register|"
    "restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|"
    r"bases|run|weights|workspace|\w+_plan"
)


@dataclass(frozen=True)
class Tensor:
    """An argument of the function: its name in C, the module's own, its shape, and its type by torch's name."""

    name: str
    own_name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def c_type(self) -> str:
        """Its elements' type; IEEE half precision and truth values are passed as whole numbers of their size."""
        return _TYPES.get(self.dtype, f"{self.dtype}_t")

    @property
    def elements(self) -> int:
        """Their number."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """What they take."""
        return self.elements * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Interface:
    """A function `NAME_function`: tensors that it reads, then tensors that it fills, then memory to work in.

    `NAME_workspace` is the constant for the size of that memory.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    function: str = "run"
    workspace: str = "WORKSPACE_BYTES"

    @classmethod
    def of(cls, program: Program, name: str, function: str = "run") -> Interface:
        """The interface of a program. Raises `UsageError` for a name that C does not take."""
        if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
            raise UsageError(f"{name!r} cannot begin the names of a C library: give a letter, then letters and digits")
        inputs = [(one.name, one.shape, one.dtype) for one in program.signature.inputs]
        outputs = [(one.name, one.shape, one.dtype) for one in program.outputs]
        names = _c_names(own for own, _, _ in (*inputs, *outputs))
        tensors = [Tensor(c, *rest) for c, rest in zip(names, (*inputs, *outputs), strict=True)]
        return cls(name, tuple(tensors[: len(inputs)]), tuple(tensors[len(inputs) :]), function)

    @property
    def symbol(self) -> str:
        """What the function is called."""
        return f"{self.name}_{self.function}"

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Of inputs and outputs, in the order they are passed."""
        return (*self.inputs, *self.outputs)

    @property
    def declaration(self) -> str:
        """The function, without a semicolon."""
        read = [f"const {tensor.c_type} *{tensor.name}" for tensor in self.inputs]
        written = [f"{tensor.c_type} *{tensor.name}" for tensor in self.outputs]
        return f"int {self.symbol}({', '.join([*read, *written, 'void *workspace'])})"

    def header(
        self,
        title: str,
        sizes: Mapping[str, object],
        functions: Sequence[Interface] = (),
        others: str = "",
        *,
        concurrent: bool = True,
    ) -> str:
        """The header; `sizes` are constants by their names, `functions` all there are, `others` the text on those.

        `concurrent`: threads may call at once.
        """
        prefix = self.name.upper()
        constants = [f"#define {prefix}_{name} {value}" for name, value in sizes.items()]
        for tensor in {tensor.name: tensor for one in functions or (self,) for tensor in one.tensors}.values():
            own = f"{prefix}_{tensor.name.upper()}"
            shape = ", ".join(map(str, tensor.shape)) or "1"
            constants += [
                f"/* {tensor.own_name}: {tensor.dtype}, in torch's order */",
                f"#define {own}_DIMENSIONS {len(tensor.shape)}",
                f"#define {own}_SHAPE {{{shape}}}",
                f"#define {own}_ELEMENTS {tensor.elements}",
            ]
        return _HEADER.substitute(
            title=title,
            prefix=prefix,
            name=self.name,
            declaration=self.declaration,
            constants="\n".join(constants),
            others=others,
            callers=(_CONCURRENT if concurrent else _ALONE).substitute(prefix=prefix),
        )

    def example(self, shows: str = "") -> str:
        """A program that reads the inputs from files, runs the network, and writes the outputs to files.

        With `shows`, lines of C that print the outputs `t` has, nothing is written.
        """
        prefix = self.name.upper()
        inputs, outputs = (
            [(tensor, f"{prefix}_{tensor.name.upper()}_ELEMENTS") for tensor in group]
            for group in (self.inputs, self.outputs)
        )
        fields = " ".join(f"{one.c_type} *{one.name};" for one, _ in inputs + outputs)
        written = [] if shows else outputs
        made = [f"  t.{one.name} = make({count} * sizeof *t.{one.name});" for one, count in inputs + outputs]
        files = list(enumerate(inputs, 1))
        read = [
            f'  transfer(argv[{i}], "rb", t.{one.name}, {count} * sizeof *t.{one.name});' for i, (one, count) in files
        ]
        files = list(enumerate(written, 1 + len(inputs)))
        write = [
            f'  transfer(argv[{i}], "wb", t.{one.name}, {count} * sizeof *t.{one.name});' for i, (one, count) in files
        ]
        arguments = ", ".join([f"t.{one.name}" for one, _ in inputs + outputs])
        return _EXAMPLE.substitute(
            name=self.name,
            symbol=self.symbol,
            prefix=prefix,
            does="prints what it finds" if shows else "writes its outputs",
            workspace=self.workspace,
            usage=" ".join(f"{one.name}.bin" for one, _ in inputs + written),
            count=1 + len(inputs) + len(written),
            fields=fields,
            made="\n".join(made),
            read="\n".join(read),
            write=shows or "\n".join(write),
            arguments=arguments,
        )


def _c_names(names: Iterable[str]) -> list[str]:
    """Names that C takes, each once: `levels.0` is `levels_0`."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = plain if _NAME.fullmatch(plain) and not _TAKEN.fullmatch(plain) else f"t_{plain}"
        number = 2
        free = plain
        while free.upper() in (one.upper() for one in found):
            free, number = f"{plain}_{number}", number + 1
        found.append(free)
    return found


_CONCURRENT = Template("""\
With ${prefix}_THREADS 1, threads may call it at the same time, each with a
   workspace of its own; with more, they take turns, and the library's threads stay for the next inference.""")
_ALONE = Template("A function must have ended before one is called again.")

_HEADER = Template("""\
/* $title */
#ifndef ${prefix}_H
#define ${prefix}_H
#include <stdint.h>

$constants

/* What functions give: 0, or why they did nothing. */
#define ${prefix}_MISALIGNED 1    /* an address is no multiple of ${prefix}_ALIGNMENT */
#define ${prefix}_KERNEL_FAILED 2 /* never, unless memory was overwritten */

#ifdef __cplusplus
extern "C" {
#endif

/* One inference. The workspace has ${prefix}_WORKSPACE_BYTES; nothing in it is read before it is written. Every address
   is a multiple of ${prefix}_ALIGNMENT. $callers */
$declaration;
$others
#ifdef __cplusplus
}
#endif
#endif
""")

_EXAMPLE = Template("""\
/* Reads inputs from files, raw numbers in torch's order, runs the network, and $does. */
#include "$name.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 10 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void *make(size_t bytes) {
  size_t whole = (bytes / ${prefix}_ALIGNMENT + 1) * ${prefix}_ALIGNMENT;
  void *made = aligned_alloc(${prefix}_ALIGNMENT, whole);
  if (!made) fail("memory");
  return made;
}

static void transfer(const char *path, const char *mode, void *numbers, size_t bytes) {
  FILE *file = fopen(path, mode);
  if (!file) fail(path);
  size_t moved = *mode == 'r' ? fread(numbers, 1, bytes, file) : fwrite(numbers, 1, bytes, file);
  if (*mode == 'r' && (moved != bytes || fgetc(file) != EOF)) {
    fprintf(stderr, "%s: %zu bytes are expected, no fewer and no more\\n", path, bytes);
    exit(1);
  }
  if (moved != bytes || fclose(file)) fail(path);
}

static double now_ms(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != $count) {
    fprintf(stderr, "usage: %s $usage\\n", argv[0]);
    return 2;
  }
  struct { $fields } t;
$made
  void *workspace = make(${prefix}_$workspace);
$read
  double best = 0;
  for (int i = 0; i < RUNS; i++) {
    double start = now_ms();
    int error = $symbol($arguments, workspace);
    double took = now_ms() - start;
    if (error) {
      fprintf(stderr, "$symbol gave %d\\n", error);
      return 1;
    }
    if (i == 0 || took < best) best = took;
  }
$write
  printf("%.3f ms, the best of %d\\n", best, RUNS);
  return 0;
}
""")

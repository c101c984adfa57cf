"""Non-maximum suppression of boxes as one kernel: no sort, and no shape that depends on the boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as build

SCHEDULED = "blockfront.scheduled"
"""The attribute of a kernel that is written with its loops, and the name of the rule that stands for that."""
_CORNERS = 4


@dataclass(frozen=True)
class BoxKernel:
    """The kernel for scores (1, rows, classes) and corners (1, rows, 4).

    As `blockfront.tasks.suppression`: of the scores above `threshold` at most `candidates`, by whole bins of `bins`
    from the best one down and what still fits of the next, by row and class. Then `kept` times the best that is left
    is given, with its row where `anchors`, and what of its class it overlaps by more than `overlap` of their union is
    struck out. It takes rows ×
    classes steps, twice, and for each box that is given as many as its class has left and there are classes.
    """

    rows: int
    classes: int
    threshold: float
    candidates: int
    overlap: float
    kept: int
    bins: int
    anchors: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what it gives."""
        return 1, self.kept, _CORNERS + 2 + self.anchors

    def function(self) -> tirx.PrimFunc:
        """(scores, boxes, out (1, kept, 6 or 7) of class, score, corners, row; class -1 where there is no box)."""
        with IRBuilder() as builder, build.prim_func(s_tir=True):
            build.func_attr({"tirx.noalias": True, "op_pattern": 8, SCHEDULED: "suppression"})
            scores = build.arg("scores", build.buffer((1, self.rows, self.classes), "float32"))
            boxes = build.arg("boxes", build.buffer((1, self.rows, _CORNERS), "float32"))
            out = build.arg("out", build.buffer(self.shape, "float32"))
            self._write(scores, boxes, out)
        return builder.get()

    def _write(self, scores: Any, boxes: Any, out: Any) -> None:
        room = min(self.candidates, self.rows * self.classes)
        histogram = build.alloc_buffer((self.bins,), "int32")
        lowest, budget = _Number("int32"), _Number("int32")
        self._choose_bins(scores, histogram, lowest, budget)

        # Candidates of a class are a list, from the place of the class behind all candidates on.
        row_of, after = build.alloc_buffer((room,), "int32"), build.alloc_buffer((room + self.classes,), "int32")
        score, left, top, right, bottom, area = sides = [build.alloc_buffer((room,), "float32") for _ in range(6)]
        last, size, best = (build.alloc_buffer((self.classes,), "int32") for _ in range(3))
        best_score = build.alloc_buffer((self.classes,), "float32")
        with build.serial(0, self.classes) as kind:
            build.buffer_store(last, room + kind, [kind])
            build.buffer_store(size, 0, [kind])
            build.buffer_store(best, 0, [kind])
            build.buffer_store(best_score, _float(-1), [kind])
        count = _Number("int32", 0)
        with build.serial(0, self.rows) as row, build.serial(0, self.classes) as kind:
            value = scores[0, row, kind]
            with build.If(value > _float(self.threshold)), build.Then():
                bin_of = self._bin(value)
                fits = build.Or(bin_of >= lowest.value, build.And(bin_of == lowest.value - 1, budget.value > 0))
                with build.If(fits), build.Then():
                    budget.set(budget.value - tirx.Cast("int32", bin_of < lowest.value))
                    corners = [boxes[0, row, side] for side in range(_CORNERS)]
                    whole = (corners[2] - corners[0]) * (corners[3] - corners[1])
                    for buffer, own in zip(sides, [value, *corners, whole], strict=True):
                        build.buffer_store(buffer, own, [count.value])
                    build.buffer_store(row_of, row, [count.value])
                    build.buffer_store(after, count.value, [last[kind]])
                    build.buffer_store(last, count.value, [kind])
                    build.buffer_store(size, size[kind] + 1, [kind])
                    with build.If(value > best_score[kind]), build.Then():
                        build.buffer_store(best, count.value, [kind])
                        build.buffer_store(best_score, value, [kind])
                    # A sum of what was compared, which tells that places follow from the scores.
                    count.set(count.value + tirx.Cast("int32", value > _float(self.threshold)))

        with build.serial(0, self.kept) as given:
            largest, of_row, which = _Number("float32", -1.0), _Number("int32", 0), _Number("int32", 0)
            with build.serial(0, self.classes) as kind:
                own_row = row_of[best[kind]]
                first = build.And(best_score[kind] == largest.value, own_row < of_row.value)
                better = build.Or(best_score[kind] > largest.value, build.And(best_score[kind] > _float(0), first))
                with build.If(better), build.Then():
                    which.set(kind)
                    of_row.set(own_row)
                    largest.set(best_score[kind])
            with build.If(largest.value > _float(0)):
                with build.Then():
                    chosen = _Number("int32", best[which.value])
                    own = [_Number("float32", buffer[chosen.value]) for buffer in (left, top, right, bottom, area)]
                    corners = [side.value for side in own[:_CORNERS]]
                    fields = [tirx.Cast("float32", which.value), largest.value, *corners]
                    fields += [tirx.Cast("float32", of_row.value)] * self.anchors
                    for field, value in enumerate(fields):
                        build.buffer_store(out, value, [0, given, field])
                    before, left_over = _Number("int32", room + which.value), _Number("int32", 0)
                    at = _Number("int32", after[before.value])
                    next_score, next_best = _Number("float32", -1.0), _Number("int32", 0)
                    with build.serial(0, size[which.value]):
                        pairs = zip((left, top, right, bottom, area), own, strict=True)
                        low_x, low_y, high_x, high_y, areas = ((buffer[at.value], side.value) for buffer, side in pairs)
                        width = build.min(*high_x) - build.max(*low_x)
                        height = build.min(*high_y) - build.max(*low_y)
                        shared = build.max(width, _float(0)) * build.max(height, _float(0))
                        overlaps = shared > _float(self.overlap) * (areas[0] + areas[1] - shared)
                        struck = _Number("int32", tirx.Cast("int32", build.Or(at.value == chosen.value, overlaps)))
                        following = _Number("int32", after[at.value])
                        gone = struck.value == 1
                        # What stays is where it was in the list; the list leads past what goes.
                        build.buffer_store(after, build.Select(gone, following.value, at.value), [before.value])
                        better = build.And(struck.value == 0, score[at.value] > next_score.value)
                        next_best.set(build.Select(better, at.value, next_best.value))
                        next_score.set(build.Select(better, score[at.value], next_score.value))
                        before.set(build.Select(gone, before.value, at.value))
                        left_over.set(left_over.value + 1 - struck.value)
                        at.set(following.value)
                    build.buffer_store(size, left_over.value, [which.value])
                    build.buffer_store(best, next_best.value, [which.value])
                    build.buffer_store(best_score, next_score.value, [which.value])
                with build.Else():
                    for field in range(self.shape[-1]):
                        build.buffer_store(out, _float(0 if field else -1), [0, given, field])

    def _choose_bins(self, scores: Any, histogram: Any, lowest: _Number, budget: _Number) -> None:
        """The lowest bin that fits whole, and how many fit of the next."""
        with build.serial(0, self.bins) as place:
            build.buffer_store(histogram, 0, [place])
        with build.serial(0, self.rows) as row, build.serial(0, self.classes) as kind:
            value = scores[0, row, kind]
            with build.If(value > _float(self.threshold)), build.Then():
                place = self._bin(value)
                build.buffer_store(histogram, histogram[place] + 1, [place])
        lowest.set(self.bins)
        budget.set(self.candidates)
        with build.serial(0, self.bins) as step:
            place = self.bins - 1 - step
            # Bins below one that does not fit are no neighbours of the lowest.
            with build.If(build.And(lowest.value == place + 1, histogram[place] <= budget.value)), build.Then():
                budget.set(budget.value - histogram[place])
                lowest.set(place)

    def _bin(self, value: Any) -> Any:
        return build.min(tirx.Cast("int32", value * _float(self.bins)), self.bins - 1)


class _Number:
    """A number in a register."""

    def __init__(self, dtype: str, value: Any = None) -> None:
        self._dtype = dtype
        self._buffer = build.alloc_buffer((1,), dtype, scope="local")
        if value is not None:
            self.set(value)

    @property
    def value(self) -> Any:
        return self._buffer[0]

    def set(self, value: Any) -> None:
        build.buffer_store(
            self._buffer, tirx.const(value, self._dtype) if isinstance(value, int | float) else value, [0]
        )


def _float(value: float) -> Any:
    return tirx.const(value, "float32")

"""The text form of a convolutional network, in the style of timm's block strings.

`cnn_224_n1000/stem_k3_s2_c32_nrelu6/ir_r2_k3_s2_e6_c24_se0.25_nrelu6/head_c1280_nrelu6`: segments joined by
"/", fields by "_". r is depth, s stride, c width, k kernel, e expansion, se squeeze-excite, g groups, gs
group size and n activation (of the first segment: number of classes). Other options are `name=value`, with
"-" for "_" in names and percent-encoded values, so that no character means anything to a shell. A network of
another task than classification has the task's tag in place of the first n, as in `cnn_224_r1`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from blockfront.blocks import BLOCKS, Block, Scalar
from blockfront.design_space.spec import Head, StageSpec, Stem
from blockfront.errors import UsageError
from blockfront.tasks import TASKS

# Numeric options with a short form; "n" is the short form of `act` where that is a string.
SHORT = {"kernel": "k", "expansion": "e", "se": "se", "groups": "g", "group_size": "gs"}
_ORDER = ("kernel", "stride", "expansion", "width", "se", "groups", "group_size", "act")


def format_parts(start: str, stem: Stem, stages: Sequence[StageSpec], head: Head) -> str:
    """The text form of a network with these parts after its first segment, `start`."""
    head_text = f"head_c{head.width}_n{_encode(head.act)}" if head.width else "head"
    return format_segments(start, stem, stages, head_text)


def format_segments(start: str, stem: Stem, stages: Sequence[StageSpec], head: str) -> str:
    """The same with the text of a head of any kind."""
    stem_text = f"stem_k{stem.kernel}_s{stem.stride}_c{stem.width}_n{_encode(stem.act)}"
    stem_text += "_pool" if stem.pool else ""
    return "/".join([start, stem_text, *(_format_stage(stage) for stage in stages), head])


def parse_parts(segments: Sequence[str]) -> tuple[Stem, tuple[StageSpec, ...], Head]:
    """Stem, stages and head of the segments of a network's text form after the first.

    Raises `UsageError` that shows the segment which is wrong.
    """
    *body, head = segments
    head_width, head_act = match_segment(head, r"head(?:_c(\d+)_n([^_]*))?", "head or head_c<width>_n<act>")
    return (*parse_body(body), Head(int(head_width), unquote(head_act)) if head_width else Head())


def parse_body(segments: Sequence[str]) -> tuple[Stem, tuple[StageSpec, ...]]:
    """Stem and stages alone."""
    stem, *stages = segments
    kernel, stride, width, act, pool = match_segment(
        stem, r"stem_k(\d+)_s(\d+)_c(\d+)_n([^_]*)(_pool)?", "stem_k<kernel>_s<stride>_c<width>_n<act>[_pool]"
    )
    return (
        Stem(int(width), int(kernel), int(stride), unquote(act), pool is not None),
        tuple(_parse_stage(segment) for segment in stages),
    )


def format_start(kind: str, resolution: int, num_classes: int, task: str) -> str:
    """The first segment of a network's text: its kind, input, task and outputs, such as `cnn_224_n1000`."""
    return f"{kind}_{resolution}_{TASKS[task].tag}{num_classes}"


def parse_start(kind: str, segment: str) -> tuple[int, int, str]:
    """(resolution, num_classes, task) of the first segment of a network's text.

    Raises `UsageError` for anything else, and for a tag that no known task has.
    """
    resolution, tag, outputs = match_segment(segment, rf"{kind}_(\d+)_([a-z]+)(\d+)", f"{kind}_<resolution>_n<classes>")
    try:
        return int(resolution), int(outputs), TASKS.of_tag(tag)
    except UsageError as error:
        raise UsageError(f"segment {segment!r}: {error}") from None


def _format_stage(stage: StageSpec) -> str:
    options = dict(stage.options)
    fields = [f"{stage.block}_r{stage.depth}"]
    for name in _ORDER:
        if name == "stride":
            fields.append(f"s{stage.stride}")
        elif name == "width":
            fields.append(f"c{stage.width}")
        elif name in options and (short := _short(name, options[name])):
            fields.append(short + format_value(options.pop(name)))
    fields += [f"{quote(name).replace('_', '-')}={format_value(value)}" for name, value in options.items()]
    return "_".join(fields)


def _short(name: str, default: Scalar) -> str:
    """The short form of an option or "": strings have none but `act`, lest gs3 be group_size or groups."""
    if isinstance(default, str):
        return "n" if name == "act" else ""
    return "" if isinstance(default, bool) else SHORT.get(name, "")


def _parse_stage(segment: str) -> StageSpec:
    block_name, depth, rest = match_segment(
        segment, r"([a-z][a-z0-9_]*?)_r(\d+)((?:_[^_]+)*)", "<block>_r<depth>_s<stride>..."
    )
    fields: dict[str, Scalar] = {}
    try:
        block = BLOCKS[block_name]
        names = {quote(name).replace("_", "-"): name for name in block.options}
        for field in rest.split("_")[1:]:
            name, value = _parse_field(field, block, names)
            if name in fields:
                raise UsageError(f"{name} is given twice")
            fields[name] = value
        width, stride = fields.pop("width", None), fields.pop("stride", 1)
        if width is None:
            raise UsageError("the width is missing, such as c24")
        return StageSpec.of(block_name, int(depth), int(width), int(stride), **fields)
    except UsageError as error:
        raise UsageError(f"segment {segment!r}: {error}") from None


def _parse_field(field: str, block: Block, names: dict[str, str]) -> tuple[str, Scalar]:
    if "=" in field:
        spelled, _, value = field.partition("=")
        name = names.get(spelled)
        if name is None:
            block.option(unquote(spelled), value)
        assert name is not None
        return name, _parse_value(value, block.options[name])
    if match := re.fullmatch(r"([sc])(\d+)", field):
        return {"s": "stride", "c": "width"}[match[1]], int(match[2])
    forms = {short: name for name, default in block.options.items() if (short := _short(name, default))}
    for short in sorted(forms, key=len, reverse=True):
        if field.startswith(short):
            return forms[short], _parse_value(field[len(short) :], block.options[forms[short]])
    raise UsageError(f"{field!r} is no field of block {block.name!r}")


def format_value(value: Scalar) -> str:
    """An option's value as text, without characters that mean anything to a shell or end a field."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return _encode(value) if isinstance(value, str) else str(value)


def _parse_value(text: str, default: Scalar) -> Scalar:
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise UsageError(f"{text!r} is neither true nor false")
        return text == "true"
    if isinstance(default, str):
        return unquote(text)
    try:
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        raise UsageError(f"{text!r} is no number") from None


def _encode(text: str) -> str:
    return quote(text, safe="").replace("_", "%5F").replace("~", "%7E")


def match_segment(segment: str, pattern: str, form: str) -> tuple[str, ...]:
    """The groups of `pattern` in the whole segment; raises `UsageError` that shows its `form`."""
    match = re.fullmatch(pattern, segment)
    if match is None:
        raise UsageError(f"segment {segment!r} of the network is not {form}")
    return match.groups()

"""A quantised network as tensors and a few facts, of which the same one is made again, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from blockfront.errors import UsageError
from blockfront.signature import Signature
from blockfront.targets.compiler.importing.rules import Node
from blockfront.targets.quantization.absorbing import absorb_constants
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.quantizing import Quantizer
from blockfront.targets.quantization.recording import Recorded, record

_CONSTANTS, _CORRECTIONS = "constants", "corrections"


@dataclass(frozen=True)
class IntegerForm:
    """What of a `Quantizer` is no tensor, by the names of its graph's operators.

    `integer` are those that are computed in integers, and `affines` the scale and zero point of each value that is an
    int8. `batched` networks take several images at once.
    """

    batched: bool
    integer: tuple[str, ...]
    affines: dict[str, tuple[float, int]]


def integer_form(quantizer: Quantizer) -> IntegerForm:
    """That of a quantised network, to be kept beside its `quantizer_tensors`."""
    return IntegerForm(
        quantizer.recorded.batched,
        tuple(sorted(node.name for node in quantizer.integer)),
        {node.name: (affine.scale, affine.zero_point) for node, affine in quantizer.affines.items()},
    )


def quantizer_tensors(quantizer: Quantizer) -> dict[str, Tensor]:
    """The float32 weights that a quantised network is rounded from, and what is added to its biases, by name."""
    constants = quantizer.recorded.constants
    kept = {f"{_CONSTANTS}.{name}": constants[name] for name in _read(quantizer.recorded)}
    added = {f"{_CORRECTIONS}.{node.name}": values for node, values in quantizer.corrections.items()}
    return {name: tensor.detach().cpu() for name, tensor in (kept | added).items()}


def restored_quantizer(
    module: nn.Module, signature: Signature, form: IntegerForm, tensors: Mapping[str, Tensor]
) -> Quantizer:
    """What `integer_form` and `quantizer_tensors` were of, whose module was like this one: its network is the same.

    `module` has the weights that the other had when it was recorded. Raises `UsageError` where its operators are others
    than those that were kept, as after a change of what is recorded, and `RunError` where it cannot be recorded.
    """
    with torch.no_grad():
        recorded = record(module, signature, several=form.batched)
        absorb_constants(recorded)
    nodes = {node.name: node for node in recorded.graph.nodes}
    constants, corrections = _of(tensors, _CONSTANTS), _of(tensors, _CORRECTIONS)
    own = {name: recorded.constants[name] for name in _read(recorded)}
    named = {*form.integer, *form.affines, *corrections}
    alike = own.keys() == constants.keys() and all(own[name].shape == constants[name].shape for name in own)
    if not alike or not named <= nodes.keys() or recorded.batched != form.batched:
        raise UsageError(
            "the int8 network was made of other operators than this one has: by another version of bench or of torch"
        )
    return Quantizer(
        replace(recorded, constants=constants),
        frozenset(nodes[name] for name in form.integer),
        {nodes[name]: Affine(*values) for name, values in form.affines.items()},
        {nodes[name]: values for name, values in corrections.items()},
    )


def _read(recorded: Recorded) -> list[str]:
    """The constants that operators read; others were absorbed."""
    nodes: list[Node] = [node for node in recorded.graph.nodes if node.op == "get_attr"]
    return sorted({str(node.target) for node in nodes})


def _of(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{kind}."): one for name, one in tensors.items() if name.startswith(f"{kind}.")}

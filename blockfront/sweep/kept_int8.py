"""Networks in int8 out of files of weights: those that a study scored, not made anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from torch import Tensor, nn

from blockfront.errors import UsageError
from blockfront.sweep.quantizing import INT8, Quantization

if TYPE_CHECKING:
    from blockfront.design_space import Network
    from blockfront.signature import Signature
    from blockfront.targets.quantization import QuantizedNetwork
    from blockfront.tasks.detection import AnchorOutputs


class Int8Detector(nn.Module):
    """A detector that finds what its int8 network does; anchors and decoding are those of the one in float32."""

    def __init__(self, detector: Any, quantized: nn.Module) -> None:
        super().__init__()
        self.detector = detector
        self.quantized = quantized
        self.finds_masks = detector.finds_masks

    def decoding(self) -> nn.Module:
        """See `AnchorDetector.decoding`."""
        decoding: nn.Module = self.detector.decoding()
        return decoding

    def forward(self, image: Tensor) -> AnchorOutputs:
        outputs: AnchorOutputs = self.detector(image)
        return outputs._replace(**self.quantized(image))


def holds_int8(path: str | Path | None) -> bool:
    """Whether a file is one of weights that has the network in int8 beside those in float32."""
    from blockfront.training import weights_facts

    return path is not None and Path(path).suffix.lower() == ".safetensors" and INT8 in weights_facts(Path(path))


def int8_origin(path: Path) -> str:
    """Where the ranges of a file's int8 network come from, in words."""
    from blockfront.training import weights_facts

    artefact = json.loads(weights_facts(path)["adaptations"])[INT8]["artefact"]
    return msgspec.convert(artefact, Quantization).origin


def load_int8(path: Path) -> QuantizedNetwork | Int8Detector:
    """The network in int8 that a file of a sweep's weights has, with the very outputs that were scored.

    It takes and gives what the network does in training: scores, or what a detector gives. Raises `UsageError` for a
    file without one, and where the network's operators are others by now.
    """
    from blockfront.blocks import deploy
    from blockfront.design_space.detector import AnchorsApart
    from blockfront.tasks import TASKS

    network, module, artefact = _trained(path)
    scored = deploy(module if network.adaptation is None else network.adaptation.adapt(module, artefact))
    if TASKS[network.task].places != "boxes":
        return _restored(scored, network.signature, path)
    return Int8Detector(scored, _restored(AnchorsApart(scored).eval(), network.signature, path)).eval()


def deployed_int8(path: Path, signature: Signature) -> QuantizedNetwork:
    """The same as it runs on a target, for inputs of `signature`; raises as `load_int8` does."""
    network, module, artefact = _trained(path)
    return _restored(network.deploying(module, artefact), signature, path)


def _trained(path: Path) -> tuple[Network, nn.Module, Any]:
    """The network that a file of weights names, the module with these, and what its adaptation found."""
    from blockfront.design_space import Network
    from blockfront.training import load_weights, seeded, weights_facts

    facts = weights_facts(path)
    if INT8 not in facts:
        raise UsageError(f"{path} has no network in int8: sweeps keep it with bench sample --precision int8")
    network = Network.parse(facts["network"])
    with seeded(0):
        module = network.build()
    load_weights(module, path)
    return network, module, network.artefact_in(facts)


def _restored(module: nn.Module, signature: Signature, path: Path) -> QuantizedNetwork:
    from blockfront.targets.quantization import IntegerForm, restored_quantizer
    from blockfront.training.weights import tensors_beside, weights_facts

    form = msgspec.json.decode(weights_facts(path)[INT8], type=IntegerForm)
    try:
        return restored_quantizer(module, signature, form, tensors_beside(path)).network()
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error

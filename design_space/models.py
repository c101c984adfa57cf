"""From a string to a network: a timm or torchvision name, an ONNX file, a factory in a file, a network's text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.design_space.image_size import OWN_SIZE, ImageSize
from blockfront.design_space.network import Network
from blockfront.errors import RunError, UsageError, unknown
from blockfront.evaluation import in_evaluation
from blockfront.python_file import is_file_reference, load_object
from blockfront.signature import Input, Signature

if TYPE_CHECKING:
    import torch
    from torch import nn

DEFAULT_RESOLUTION = 224
_TAKEN = "give a timm name, torchvision:NAME, file.onnx, file.py:factory, a network's text or its file.safetensors"
OF_TIMM = re.compile(r"^(hf[-_]hub:)?timm/")
MODEL_FILES = (".onnx", ".pt", ".pth", ".pt2", ".ckpt", ".safetensors", ".tflite", ".pb", ".h5", ".keras")


class FactoryError(UsageError):
    """A function of the user's file raises, instead of giving a network."""


@dataclass(frozen=True)
class Model:
    """A network to profile: its name, how to build it, and what it takes.

    `network` is its text, if it is one of a space; `source` the line of Python that imports what builds the module as
    it is trained, and the expression that does, None where a file of tokens decides of it. `weights` is the file of
    its weights, where they are not random.
    """

    name: str
    build: Callable[[], nn.Module]
    signature: Signature
    network: str | None = None
    source: tuple[str, str] | None = None
    weights: Path | None = None

    def whole(self) -> nn.Module:
        """The model built, in evaluation mode, with lazy layers made for its inputs.

        Raises RunError for what cannot be compiled as it is.
        """
        import torch
        from torch import nn

        module = in_evaluation(self.build())
        for name, part in module.named_modules():
            if isinstance(part, torch.jit.ScriptModule):
                scripted = f"{name} of {self.name}" if name else self.name
                raise RunError(f"{scripted} is TorchScript, which hides its operators: give the module it was made of")
        tensors = [*module.parameters(), *module.buffers()]
        if any(nn.parameter.is_lazy(tensor) for tensor in tensors):
            with torch.no_grad():
                module(*self.signature.zeros())
        return module


def find_model(ref: str, size: ImageSize = OWN_SIZE, reduction: Path | None = None) -> Model:
    """The model `ref` means: a network's text, a file of its weights, `file.onnx`, `file.py:factory`,
    `torchvision:NAME` or a timm name.

    A timm name may be written as on the Hub, `timm/NAME` or `hf_hub:timm/NAME`, and have a tag of weights, such as
    `resnet50.a1_in1k`: that network at the size those weights are for. Nothing is downloaded.

    What it takes is what `size` asks for and else its own; a module of a factory may say that in an attribute
    `signature`, and 224 pixels stand in for what is nowhere stated. timm's models are built for the channels asked for.
    Weights are random, which does not change the latency, but those of a `file.safetensors` that names its network, as
    sweeps, `bench take` and `bench anchors apply` write them. `reduction` is a file of `bench tokens`, and the model a
    transformer that it reduces. Raises UsageError for what is none of these, with near names, and FactoryError for a
    factory that raises.
    """
    if reduction is not None:
        plain = find_model(ref, size)
        return Model(f"{ref} reduced by {reduction.name}", lambda: _reduced(plain, reduction), plain.signature)
    if is_file_reference(ref):
        return _from_file(ref, size)
    if ref.startswith("torchvision:"):
        return _from_torchvision(ref.removeprefix("torchvision:"), size)
    if (of_timm := OF_TIMM.match(ref)) is not None:
        return _from_timm(ref[of_timm.end() :], size)
    if "hub:" in ref:
        raise UsageError(f"{ref}: nothing is downloaded, and of the Hub only timm/NAME is known here; {_TAKEN}")
    if ref.lower().endswith(".onnx"):
        from blockfront.design_space.onnx_model import load_onnx

        module, signature = load_onnx(Path(ref), size)
        imports = "from blockfront.design_space.image_size import ImageSize\n"
        imports += "from blockfront.design_space.onnx_model import load_onnx"
        call = f"load_onnx(Path({str(Path(ref).expanduser().resolve())!r}), {size!r})[0]"
        return Model(ref, lambda: module, signature, source=(imports, call))
    if (text := _network_of_weights(ref)) is not None:
        return _from_weights(Path(ref), text, size)
    _check_no_file(ref)
    if "/" in ref:
        return _from_text(ref, size)
    return _from_timm(ref, size)


def _check_no_file(ref: str) -> None:
    """Raise UsageError for a file that no factory is named of."""
    if ref.endswith(".py"):
        raise UsageError(f"{ref} lacks the function that makes the network: give {ref}:NAME")
    if ref.lower().endswith(MODEL_FILES):
        if ref.lower().endswith(".safetensors"):
            raise UsageError(
                f"{ref} does not name its network, as files that bench writes do: give a network, and the file to "
                "bench take with --weights"
            )
        raise UsageError(
            f"{ref} is a file of weights or of an exported network: give the torch module, as a function of a Python "
            "file that builds it and loads what it needs, file.py:factory"
        )


def _reduced(plain: Model, reduction: Path) -> nn.Module:
    from blockfront.blocks.tokens import load_reduction

    module = load_reduction(plain.build(), reduction)
    if module.method == "ltmp" and module.plan is None:
        raise UsageError(f"{reduction} leaves every image another number of tokens; run bench tokens calibrate on it")
    return module


def _from_text(text: str, size: ImageSize) -> Model:
    network = Network.parse(text).sized(size)
    source = ("from blockfront.design_space import Network", f"Network.parse({str(network)!r}).build()")
    return Model(str(network), network.deployed, network.signature, str(network), source)


def _network_of_weights(ref: str) -> str | None:
    """The text of the network that a file of weights names in its header; None for any other reference."""
    if not ref.lower().endswith(".safetensors"):
        return None
    from blockfront.training import weights_facts

    return weights_facts(Path(ref)).get("network")


def _from_weights(path: Path, text: str, size: ImageSize) -> Model:
    from blockfront.training import load_weights, weights_facts

    network = Network.parse(text).sized(size)

    def trained() -> nn.Module:
        module = network.build()
        load_weights(module, path)
        return network.deploying(module, network.artefact_in(weights_facts(path)))

    return replace(_from_text(text, size), name=str(path), build=trained, weights=path)


def _from_timm(name: str, size: ImageSize) -> Model:
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown("model", name, timm.list_models(), otherwise=_TAKEN)
    tagged = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in tagged:
        tags = ", ".join(one.partition(".")[2] for one in tagged)
        raise unknown("weights", name, tagged, otherwise=f"{architecture} has the tags {tags or '(none)'}")
    known = timm.get_pretrained_cfg(name, allow_unregistered=True)
    channels, height, width = known.input_size if known is not None else (3, DEFAULT_RESOLUTION, DEFAULT_RESOLUTION)
    options = {} if size.channels in (None, channels) else {"in_chans": size.channels}
    own = Signature.image(height, width, channels)
    given = "".join(f", {option}={value}" for option, value in options.items())
    source = ("import timm", f"timm.create_model({name!r}, pretrained=False{given})")
    return Model(name, partial(timm.create_model, name, pretrained=False, **options), size.of(own), source=source)


def _from_torchvision(name: str, size: ImageSize) -> Model:
    """A classifier, a segmenting network or a detector; its size is that of the last of its weights that states one."""
    from torchvision import models

    if name in models.list_models(module=models.detection):
        return _detector_of_torchvision(name, size)
    segmenting = models.list_models(module=models.segmentation)
    known = [*models.list_models(module=models), *segmenting]
    if name not in known:
        raise unknown("torchvision model", name, known, otherwise=_TAKEN)
    own = DEFAULT_RESOLUTION
    for weights in models.get_model_weights(name):
        views: Any = weights.transforms()
        own = int((getattr(views, "crop_size", None) or getattr(views, "resize_size", None) or [own])[0])
    # What segments has weights of a backbone, which it fetches unless it is told not to.
    options = {"weights_backbone": None} if name in segmenting else {}
    build = partial(models.get_model, name, weights=None, **options)
    given = "".join(f", {option}={value}" for option, value in options.items())
    source = ("import torchvision", f"torchvision.models.get_model({name!r}, weights=None{given})")
    return Model(f"torchvision:{name}", build, size.of(Signature.image(own)), source=source)


def _detector_of_torchvision(name: str, size: ImageSize) -> Model:
    """Up to its raw outputs."""
    from blockfront.design_space.torchvision_detectors import SIZES, check_detector, raw_detector

    check_detector(name)
    signature = size.of(Signature.image(SIZES[name]))
    height, width = signature.inputs[0].shape[2:]
    call = f"raw_detector({name!r}, {height}, {width})"
    source = ("from blockfront.design_space.torchvision_detectors import raw_detector", call)
    return Model(f"torchvision:{name}", partial(raw_detector, name, height, width), signature, source=source)


def _from_file(ref: str, size: ImageSize) -> Model:
    """What the factory of a Python file gives, checked to be a module or a program of torch.export."""
    import torch
    from torch import nn

    built = load_object(ref, callable, "function")
    try:
        module = built()
    except Exception as error:
        raise FactoryError(f"{ref}() fails: {type(error).__name__}: {' '.join(str(error).split())}") from error
    if isinstance(module, torch.export.ExportedProgram):
        return Model(ref, module.module, size.of(_exported_for(ref, module)))
    if not isinstance(module, nn.Module):
        raise UsageError(f"{ref}() gives a {type(module).__name__}, not a torch.nn.Module")
    stated = getattr(module, "signature", None)
    own = stated if isinstance(stated, Signature) else Signature.image(DEFAULT_RESOLUTION)
    path, _, function = ref.rpartition(":")
    call = f"vars(import_file({str(Path(path).expanduser().resolve())!r}))[{function!r}]()"
    source = ("from blockfront.python_file import import_file", call)
    return Model(ref, lambda: module, size.of(own), source=source)


def _exported_for(ref: str, program: torch.export.ExportedProgram) -> Signature:
    """The inputs that a program was exported with: it takes no others, but for sizes left open."""
    import torch

    args, kwargs = program.example_inputs
    if kwargs or not args or not all(isinstance(one, torch.Tensor) for one in args):
        raise UsageError(f"{ref}() gives a program exported with other inputs than tensors, each by its position")
    names = ["image"] if len(args) == 1 and args[0].dim() == 4 else [f"input{i}" for i in range(len(args))]
    inputs = [
        Input(name, tuple(one.shape), str(one.dtype).removeprefix("torch."))
        for name, one in zip(names, args, strict=True)
    ]
    return Signature(tuple(inputs))

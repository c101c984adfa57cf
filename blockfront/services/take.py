"""What is handed over of a network, to be run without this suite: weights, ONNX, a C library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from string import Template
from textwrap import fill
from typing import TYPE_CHECKING, Any

from blockfront.design_space.models import ImageSize, Model
from blockfront.errors import RunError, UsageError
from blockfront.files import explaining

if TYPE_CHECKING:
    from torch import nn

    from blockfront.console.progress import Progress
    from blockfront.targets import Target

_LOAD = Template('''\
"""The network with its weights, in torch and in evaluation mode: `from load import model`.

$preparing
"""

from pathlib import Path

$import_line
from safetensors.torch import load_file

model = $expression
model.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
model.eval()
''')
_LOAD_INT8 = Template('''\
"""The network in int8, as torch computes it exactly: `from load import model`.

$preparing
"""

from pathlib import Path

from blockfront.sweep.kept_int8 import load_int8

model = load_int8(Path(__file__).with_name("weights.safetensors"))
''')
_LOAD_BOXES = '''

def boxes(image):
    """What it finds on an image (1, 3, height, width), best first: (n, 6) of class, score, left, top, right, bottom."""
    from blockfront.tasks.box_suppression import find_boxes

    return find_boxes(model, image)
'''
_LOAD_OBJECTS = '''

def objects(image):
    """What `boxes` gives, and of each its mask (n, height, width), true and false."""
    from blockfront.tasks.box_suppression import find_objects

    return find_objects(model, image)
'''


def network_to_take(ref: str, storage: str, size: ImageSize, space: str | None) -> Model:
    """The one network or model that `ref` means as in `bench tune`; `space` names the file that defines its blocks.

    Raises UsageError for what is none, with near names, and for a study.
    """
    from blockfront.services.verify import import_blocks
    from blockfront.study.lookup import find_models, known_studies

    import_blocks(space)
    if ref in known_studies(storage):
        raise UsageError(f"{ref} is a study: name one of its networks, as bench show prints their ids")
    (model,) = find_models(ref, storage, size)
    return model


def weights_of(model: Model, storage: str, precision: str | None = None) -> Path | None:
    """The file of weights that a sweep kept of the model's network beside the storage, of several the lowest seed's.

    For int8, and where nobody asks for a format, one that has the network in int8 goes before others; raises UsageError
    where several studies have one.
    """
    from blockfront.design_space import Network
    from blockfront.study.weights import find_weights, kept_weights
    from blockfront.sweep.kept_int8 import holds_int8
    from blockfront.targets.latency.options import INT8

    if model.network is None:
        return None
    network_id = Network.parse(model.network).id
    if precision in (None, INT8):
        found = [one for one in kept_weights(storage) if one.network_id == network_id and holds_int8(one.path)]
        studies = {one.study for one in found}
        if len(studies) > 1:
            of = " and ".join(sorted(studies))
            raise UsageError(f"{of} have it in int8, each its own: name a file, of bench weights, with --weights")
        if found or precision == INT8:
            return min(found, key=lambda one: one.seed).path if found else None
    try:
        return find_weights(network_id, storage).path
    except UsageError:
        return None


def check_folder(folder: Path) -> None:
    """Raise UsageError for a folder that holds something, or that is no folder."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder that does not exist yet")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: name a folder that does not exist yet")


def take_network(
    model: Model,
    target: Target,
    threads: int | None,
    weights: str | None,
    folder: Path,
    name: str,
    progress: Progress,
    precision: str | None = None,
) -> dict[str, Any]:
    """Write a network to a new folder, whole or not at all, and tell what is there.

    `weights` are a file for the module as it is trained, or a name of `bench pretrained`; without any they are random.
    `precision` is the C library's: float32, float16, or int8 of weights that have the network in int8, which is what
    these become by default. Raises UsageError for a folder that holds something, weights that do not fit, a target, a
    name or a number format without a C library, and RunError when something fails or does not compute what torch does.
    """
    from blockfront.agreement.outputs import worst
    from blockfront.engines.onnx_file import write_onnx
    from blockfront.services.box_programs import compile_boxes
    from blockfront.services.onnx_file import compare_onnx
    from blockfront.services.preparation import weights_adaptations, weights_preparation
    from blockfront.sweep.kept_int8 import holds_int8, int8_origin
    from blockfront.targets.compiler.compiling import compile_model
    from blockfront.targets.latency.options import FLOAT16, FLOAT32, INT8
    from blockfront.targets.library import c_triple, make_library, run_library
    from blockfront.targets.quantization import QuantizedNetwork
    from blockfront.training import pack_weights

    check_folder(folder)
    c_triple(target)
    precision = precision or (INT8 if holds_int8(weights) else FLOAT32)
    _check_precision(precision, target, model, weights)
    if model.source is None:
        raise UsageError(f"{model.name} cannot be taken: give the network without its file of tokens")
    with progress.stage("take", 4) as advance, _whole_folder(folder) as made:
        said, adaptations = weights_preparation(weights), weights_adaptations(weights)
        trained, deployed = _modules(model, weights, adaptations, precision)
        signature = model.signature
        if isinstance(deployed, QuantizedNetwork):
            signature = deployed.bounded(signature, 0)
        preparing = _preparing(model, trained, said)
        finds_boxes = hasattr(trained, "decoding")
        facts = {"network": model.network, "preparation": said, "adaptations": adaptations}
        known = {name: fact for name, fact in facts.items() if fact}
        if precision == INT8 and weights is not None:
            content, load = Path(weights).read_bytes(), _LOAD_INT8.substitute(preparing=preparing)
        else:
            content = pack_weights(trained, known)
            load = _LOAD.substitute(import_line=model.source[0], expression=model.source[1], preparing=preparing)
        (made / "weights.safetensors").write_bytes(content)
        found = _LOAD_BOXES if finds_boxes else ""
        found += _LOAD_OBJECTS if finds_boxes and trained.finds_masks else ""
        (made / "load.py").write_text(load + found)
        if model.network is not None:
            (made / "network.txt").write_text(f"{model.network}\n")
        advance()
        halves = precision == FLOAT16
        program = compile_model(deployed, signature, target, threads=threads, alone=True, halves=halves)
        boxes = compile_boxes(trained, deployed, signature, target, program.threads) if finds_boxes else None
        advance()
        library = make_library(program, target, made, name, boxes, preparing)
        ran = run_library(library, program, target, made)
        advance()
        onnx, obstacle, onnx_error = made / "model.onnx", None, None
        try:
            if precision == INT8:
                raise RunError("it is not written in int8; --precision float32 has the network in float32")
            write_onnx(deployed, signature, onnx)
        except RunError as error:
            obstacle = str(error)
        else:
            onnx_error = compare_onnx(onnx, signature, program.outputs)
        advance()
        files = sorted(path.name for path in made.iterdir())
    return {
        "model": model.name,
        "target": target.name,
        "threads": program.threads,
        "weights": weights,
        "precision": precision,
        "calibration": int8_origin(Path(weights)) if precision == INT8 and weights is not None else None,
        "folder": str(folder),
        "files": files,
        "code_bytes": library.code_bytes,
        "weights_bytes": library.weights_bytes,
        "workspace_bytes": library.whole_workspace_bytes,
        "functions": [one.declaration for one in library.functions],
        "build": dict(library.build),
        "library_rel_error": None if ran is None else worst(ran.errors)[1],
        "library_ran": None if ran is None else ran.where,
        "instructions": None if ran is None else ran.instructions,
        "schedules_rel_error": program.max_rel_error,
        "onnx_rel_error": onnx_error,
        "onnx_left_out": obstacle,
    }


def _preparing(model: Model, module: nn.Module, said: str | None) -> str:
    """What is told of an image; of other inputs there is nothing to tell."""
    from blockfront.services.preparation import UNKNOWN, find_preparation

    if not model.signature.is_image:
        return ""
    found = find_preparation(model, module, said)
    height, width = model.signature.inputs[0].shape[2:]
    return fill(UNKNOWN if found is None else found.describe(height, width), 110)


def _check_precision(precision: str, target: Target, model: Model, weights: str | None) -> None:
    """Raise UsageError for a number format without a C library, and for int8 of weights without the model in it."""
    from blockfront.sweep.kept_int8 import holds_int8
    from blockfront.targets.hardware.halves import require_float16
    from blockfront.targets.hardware.integer import require_int8
    from blockfront.targets.latency.options import FLOAT16, FLOAT32, INT8
    from blockfront.training import weights_facts

    if precision == FLOAT16:
        require_float16(target)
    elif precision == INT8:
        require_int8(target)
        if not holds_int8(weights):
            raise UsageError(
                "a network is taken in int8 with the weights of a study in int8, whose ranges are of training images: "
                "bench sample --precision int8 --keep all keeps them (on a microcontroller, with --runner roofline)"
            )
        trained = weights_facts(Path(str(weights)))["network"]
        if trained != model.network:
            raise UsageError(f"{weights} has {trained} in int8, and not {model.network or model.name}")
    elif precision != FLOAT32:
        raise UsageError(f"C libraries are made in {FLOAT32}, {FLOAT16} or {INT8}, not in {precision}")


def _modules(model: Model, weights: str | None, adaptations: str | None, precision: str) -> tuple[nn.Module, nn.Module]:
    """The module as it is trained, with its weights, and as it runs on a target."""
    from blockfront.design_space import Network
    from blockfront.services.profile import build_model
    from blockfront.sweep.kept_int8 import deployed_int8
    from blockfront.targets.latency.options import INT8
    from blockfront.training import give_weights, seeded

    network = None if model.network is None else Network.parse(model.network)
    with seeded(0):
        trained = (model if network is None else replace(model, build=network.build)).whole()
    if weights is not None:
        give_weights(trained, weights)
        if precision == INT8:
            return trained, deployed_int8(Path(weights), model.signature)
    if network is None:
        runs = trained
    else:
        artefact = network.artefact_in({"adaptations": adaptations} if adaptations else {})
        runs = network.deploying(deepcopy(trained), artefact)
    return trained, build_model(replace(model, build=lambda: runs))[0]


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is asked for, which gets its name when all is done."""
    made = folder.with_name(f".bench-{os.urandom(8).hex()}")
    with explaining(folder):
        made.mkdir()
    try:
        yield made
        with explaining(folder):
            made.replace(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)

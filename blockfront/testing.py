"""The conformance suites of blocks and of token reductions, for this project's and for anybody's own.

>>> from blockfront.testing import check_block, check_reducer
>>> check_block("ir")
>>> check_reducer("random", target=0.7)
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from blockfront.blocks import BLOCKS, Scalar, deploy
from blockfront.blocks.tokens import ReducedTransformer, count_macs, reduce_tokens
from blockfront.errors import RunError
from blockfront.signature import TOLERANCE, Signature


def check_block(
    block: str | type[nn.Module],
    in_chs: int = 16,
    out_chs: int = 24,
    resolution: int = 16,
    options: Mapping[str, Scalar] | None = None,
) -> None:
    """Check that a block, a registered name or a class, can be part of a network; silent when it can.

    With the width kept and changed and with strides 1 and 2: the output's shape; gradients that reach the
    input and every parameter; evaluation that is deterministic, treats each image by itself and leaves input
    and state alone; `deploy` that agrees with it to a relative error of 1e-4; `torch.export`; and code compiled for
    this machine that agrees as that of a network must. What is constant is random instead, so that none hides a branch.

    Raises `AssertionError` that names the case, and `UsageError` for an unknown name. `resolution` is that of
    the block's input, in pixels.
    """
    cls = BLOCKS[block].cls if isinstance(block, str) else block
    name = block if isinstance(block, str) else cls.__name__
    for case in ((in_chs, out_chs, 1), (in_chs, out_chs, 2), (in_chs, in_chs, 1), (out_chs, in_chs, 1)):
        where = f"block {name} from {case[0]} to {case[1]} channels with stride {case[2]}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = _build(cls, case, dict(options or {}), where)
            images = torch.randn(4, case[0], resolution, resolution)
            _check_shape(module, images, case, where)
            _check_gradients(module, images, where)
            _check_evaluation(module, images, where)
            _check_deployment(module, images, where)
            _check_compiled(module, case[0], resolution, where)


_VITS: dict[str, dict[str, Any]] = {
    "a class token": {},
    "registers and layer scale": {"reg_tokens": 2, "init_values": 0.5},
    "mean pooling": {"class_token": False, "global_pool": "avg"},
}
_SIZE = {"img_size": 24, "patch_size": 4, "embed_dim": 24, "depth": 4, "num_heads": 3, "num_classes": 5}


def check_reducer(method: str, **options: Any) -> None:
    """Check that a token reduction, a registered name, can be part of a network; silent when it can.

    In small transformers with a class token, with registers and with mean pooling: outputs that are logits; as many
    tokens in every block as `counts` says; a prefix that stays in front; MACs within 5 % of a `target`, and with a
    target of 1 the plain network's outputs; gradients that reach the image and every parameter of the method;
    evaluation that is deterministic, treats each image by itself and leaves state alone; `deploy` that agrees; and code
    compiled for this machine that agrees as that of a network must. Without pooling, outputs of every patch that are
    those of the token it is in. It is for methods whose shapes are fixed.

    Raises `AssertionError` that names the case, and `UsageError` for an unknown name or option.
    """
    for kind, form in _VITS.items():
        where = f"reduction {method} of a transformer with {kind}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            backbone = VisionTransformer(**_SIZE, **form)
            for parameter in backbone.parameters():
                # Attention that tells tokens apart, as that of a fresh network does not.
                nn.init.normal_(parameter, std=0.2)
            images = torch.randn(4, 3, _SIZE["img_size"], _SIZE["img_size"])
            _check_tokens(reduce_tokens(backbone.eval(), method, **options), images, options, where)
            _check_learning(reduce_tokens(backbone, method, **options), images, where)
            module = reduce_tokens(backbone.eval(), method, **options)
            _check_evaluation(module, images, where)
            _check_deployment(module, images, where)
            if not form:
                _check_places(reduce_tokens(_without_pooling(backbone), method, **options), images, where)
                _check_compiles(deploy(module), _SIZE["img_size"], where)


def _check_tokens(module: ReducedTransformer, images: torch.Tensor, options: Mapping[str, Any], where: str) -> None:
    prefix, tokens = module.backbone.num_prefix_tokens, module.macs.tokens
    try:
        with torch.no_grad():
            run = module.run(images, trace_sources=True)
    except Exception as error:
        raise AssertionError(f"{where} fails on {tuple(images.shape)}: {_reason(error)}") from error
    assert run.logits.shape == (len(images), module.backbone.num_classes), f"{where} gives {tuple(run.logits.shape)}"
    assert run.logits.isfinite().all(), f"{where} gives values that are not finite"
    found = tuple([int(count) for count in counts[:, 0]] for counts in run.counts())
    counted = tuple(list(map(int, counts)) for counts in module.reducer.counts(tokens))
    assert found == counted, f"{where} has {found} tokens before attention and MLP, and counts {counted}"
    assert run.tokens.source is not None
    leading = run.tokens.source[:, :prefix]
    assert torch.equal(leading, torch.eye(prefix, tokens).expand_as(leading)), f"{where} moves or merges the prefix"
    if "target" in options:
        share = module.macs.share_of(count_macs(module).item())
        assert abs(share / options["target"] - 1) <= 0.05, (
            f"{where} has {share:.3f} of the MACs for {options['target']}"
        )
        whole = reduce_tokens(module.backbone, module.method, **{**options, "target": 1.0}).eval()
        with torch.no_grad():
            off = relative_error(whole(images), module.backbone(images))
        assert off <= TOLERANCE, f"{where} changes outputs at a target of 1: relative error {off:.1e}"


def _without_pooling(backbone: VisionTransformer) -> VisionTransformer:
    other = copy.deepcopy(backbone)
    other.global_pool = ""
    return other


def _check_places(module: ReducedTransformer, images: torch.Tensor, where: str) -> None:
    try:
        with torch.no_grad():
            run = module.run(images, trace_sources=True)
    except Exception as error:
        raise AssertionError(f"{where} fails without pooling: {_reason(error)}") from error
    assert run.tokens.source is not None
    with torch.no_grad():
        restored = (run.tokens.source * run.tokens.active.unsqueeze(-1)).transpose(1, 2) @ run.tokens.x
        off = relative_error(run.logits, module.backbone.head(module.backbone.norm(restored)))
    assert off <= TOLERANCE, f"{where} loses which token is where: relative error {off:.1e} without pooling"


def _check_learning(module: ReducedTransformer, images: torch.Tensor, where: str) -> None:
    source = images.clone().requires_grad_()
    labels = torch.arange(len(images)) % module.backbone.num_classes
    module.train().loss(source, labels, nn.functional.cross_entropy).backward()
    gradients = {"its input": source.grad, **{key: one.grad for key, one in module.reducer.named_parameters()}}
    _check_reached(gradients, where)


def _check_reached(gradients: Mapping[str, torch.Tensor | None], where: str) -> None:
    for key, gradient in gradients.items():
        assert gradient is not None, f"{where}: no gradient reaches {key}"
        assert gradient.isfinite().all(), f"{where}: the gradient of {key} is not finite"


def _build(cls: type[nn.Module], case: tuple[int, int, int], options: dict[str, Scalar], where: str) -> nn.Module:
    from blockfront.targets.compiler.randomize import randomize_constants

    try:
        module = cls(*case, **options)
    except Exception as error:
        raise AssertionError(f"{where} cannot be built: {_reason(error)}") from error
    randomize_constants(module, seed=0)
    return module


def _check_shape(module: nn.Module, images: torch.Tensor, case: tuple[int, int, int], where: str) -> None:
    size = -(-images.shape[-1] // case[2])
    expected = (images.shape[0], case[1], size, size)
    for mode in (module.train(), module.eval()):
        try:
            output = mode(images.clone())
        except Exception as error:
            raise AssertionError(f"{where} fails on {tuple(images.shape)}: {_reason(error)}") from error
        assert tuple(output.shape) == expected, f"{where} gives {tuple(output.shape)} instead of {expected}"
        assert output.dtype == images.dtype, f"{where} gives {output.dtype} instead of {images.dtype}"
        assert output.isfinite().all(), f"{where} gives values that are not finite"


def _check_gradients(module: nn.Module, images: torch.Tensor, where: str) -> None:
    # In training mode batch norm hides a bias in front of it, so that only evaluation can ask for non-zero.
    for training in (True, False):
        module.train(training).zero_grad()
        source = images.clone().requires_grad_()
        output = module(source * 1.0)
        assert output.requires_grad, f"{where} cuts the gradient"
        (output * torch.randn_like(output)).sum().backward()
        gradients = {"its input": source.grad}
        gradients |= {key: parameter.grad for key, parameter in module.named_parameters() if parameter.requires_grad}
        _check_reached(gradients, where)
        zero = [key for key, gradient in gradients.items() if gradient is not None and not gradient.any()]
        assert training or not zero, f"{where}: the gradient of {zero[0]} is zero everywhere"
    module.zero_grad()


def _check_evaluation(module: nn.Module, images: torch.Tensor, where: str) -> None:
    module.eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    given = images.clone()
    with torch.no_grad():
        first, second, alone = module(given), module(images.clone()), module(images[:1].clone())
    assert torch.equal(given, images), f"{where} changes its input in place"
    assert torch.equal(first, second), f"{where} gives another output for the same input in evaluation mode"
    error = relative_error(alone, first[:1])
    assert error <= TOLERANCE, f"{where} treats an image differently in a batch: relative error {error:.1e}"
    changed = [key for key, value in module.state_dict().items() if not torch.equal(value, before[key])]
    assert not changed, f"{where} changes {', '.join(changed)} in evaluation mode"


def _check_deployment(module: nn.Module, images: torch.Tensor, where: str) -> None:
    module.eval()
    try:
        deployed = deploy(module)
        with torch.no_grad():
            error = relative_error(deployed(images.clone()), module(images.clone()))
    except Exception as failure:
        raise AssertionError(f"{where} cannot be re-parameterised: {_reason(failure)}") from failure
    assert error <= TOLERANCE, f"{where} changes when re-parameterised: relative error {error:.1e}"


def _check_compiled(module: nn.Module, in_chs: int, resolution: int, where: str) -> None:
    _check_compiles(nn.Sequential(nn.Conv2d(3, in_chs, 1), deploy(module)).eval(), resolution, where)


def _check_compiles(network: nn.Module, resolution: int, where: str) -> None:
    # TVM takes seconds to import.
    from blockfront.targets import compile_model, get_target

    try:
        with torch.no_grad():
            torch.export.export(network, (torch.zeros(1, 3, resolution, resolution),))
    except Exception as error:
        raise AssertionError(f"{where} cannot be exported by torch.export: {_reason(error)}") from error
    try:
        compile_model(network, Signature.image(resolution), get_target("host"))
    except RunError as error:
        raise AssertionError(f"{where}: {error}") from error


def relative_error(output: torch.Tensor, expected: torch.Tensor) -> float:
    """max|output - expected| over max|expected|; infinite where a value is not a number."""
    error = (output - expected).abs().max() / expected.abs().max().clamp(min=1e-30)
    return float(error.nan_to_num(nan=float("inf")))


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__

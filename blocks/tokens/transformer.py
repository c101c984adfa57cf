"""A timm VisionTransformer whose blocks hand on fewer tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch
from timm.layers import Attention
from timm.models.vision_transformer import Block, ResPostBlock, VisionTransformer
from torch import Tensor, nn

from blockfront.blocks.tokens.attention import Attended, attention_branch, mlp_branch
from blockfront.blocks.tokens.macs import TransformerMacs
from blockfront.blocks.tokens.places import Places
from blockfront.blocks.tokens.reducer import METHODS, Method, Reducer
from blockfront.blocks.tokens.state import ActiveTokens, Run, Tokens
from blockfront.errors import UsageError, unknown

_POOLS = ("token", "avg", "avgmax", "max", "")


def reduce_tokens(model: nn.Module, method: str, **options: Any) -> ReducedTransformer:
    """`model` with a token reduction method; `options` are the fields of the method's options.

    `target`, which every method takes, is the share of the blocks' MACs that is to stay. The model's weights are
    shared, not copied, and the model itself works as before. Raises `UsageError` for a model that is no timm
    `VisionTransformer` with plain blocks, and for an unknown method or option or a value out of range.
    """
    entry = METHODS[method]
    backbone = _checked(model)
    chosen = make_options(entry, options)
    return ReducedTransformer(backbone, method, chosen, entry.make(backbone, chosen))


def make_options(method: Method, given: Mapping[str, Any]) -> Any:
    """The method's options with the values given; raises `UsageError` for one it does not take."""
    names = [option.name for option in dataclasses.fields(method.options)]
    for name in given:
        if name not in names:
            taken = f"it takes {', '.join(names)}"
            raise unknown("option", name, names, within=f"token reduction {method.name!r} has", otherwise=taken)
    return method.options(**given)


class ReducedTransformer(nn.Module):
    """`backbone` with the tokens that `reducer` removes taken out, according to a `plan` where it follows one.

    Called on images (B, 3, H, W), it gives the backbone's logits; of a backbone without pooling those of all tokens in
    the image's order (B, N, classes), wherever these are in the end, or their features where it has no classifier.
    `load_state_dict` also takes a plain backbone's state, which leaves the reducer as it is.
    """

    def __init__(
        self, backbone: VisionTransformer, method: str, options: Any, reducer: Reducer, plan: Any = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.reducer = reducer
        self.method = method
        self.options = options
        self.plan = plan
        self.train(backbone.training)

    def with_reducer(self, reducer: Reducer, plan: Any = None) -> Self:
        """The same backbone, method and options with another reducer, and the plan it follows."""
        return type(self)(self.backbone, self.method, self.options, reducer, plan)

    @property
    def unreduced(self) -> nn.Module:
        """The same network without reduction; weights are shared."""
        return self.backbone

    @property
    def macs(self) -> TransformerMacs:
        """What its layers cost for a number of tokens."""
        return TransformerMacs.of(self.backbone)

    @property
    def pretrained_cfg(self) -> Any:
        """The backbone's, which says how images were prepared for it."""
        return getattr(self.backbone, "pretrained_cfg", None)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As torch's; a plain backbone's state is loaded into the backbone."""
        if any(name.startswith(("backbone.", "reducer.")) for name in state_dict):
            return super().load_state_dict(state_dict, strict, assign)
        return self.backbone.load_state_dict(state_dict, strict, assign)

    @property
    def is_dense(self) -> bool:
        """Whether the backbone says something of every token."""
        return self.backbone.global_pool == ""

    def no_weight_decay(self) -> set[str]:
        """The backbone's parameters that training should not decay, by their names here; timm's optimisers ask."""
        return {f"backbone.{name}" for name in self.backbone.no_weight_decay()}

    def forward(self, images: Tensor) -> Any:
        return self.run(images).logits

    def loss(self, images: Tensor, labels: Tensor, criterion: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """What training minimises: the criterion on the logits and the method's own terms."""
        return self.reducer.loss(self.run(images), labels, criterion)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """What the method changes in its training before epoch number `epoch` of `epochs`, counted from 0."""
        self.reducer.begin_epoch(epoch, epochs)

    def run(self, images: Tensor, trace_sources: bool = False) -> Run:
        """One pass with a record of what each block worked on.

        With `trace_sources`, the tokens also tell which of the image's tokens each stands for.
        """
        tokens, attended, kept = self.encode(images, trace_sources)
        return Run(self._classify(tokens), tokens, attended, kept, tokens.auxiliary)

    def encode(
        self, images: Tensor, trace_sources: bool = False
    ) -> tuple[Tokens, tuple[ActiveTokens, ...], tuple[ActiveTokens, ...]]:
        """The tokens after the last block, and what each block's attention and MLP worked on."""
        tokens = self.embed(images, trace_sources)
        attended, kept = [], []
        for index in range(len(self.backbone.blocks)):
            attended.append(ActiveTokens(tokens.mask, tokens.length))
            tokens = self.reducer.between(index, *self.attend(index, tokens))
            kept.append(ActiveTokens(tokens.mask, tokens.length))
            tokens = self.finish(index, tokens)
        return tokens, tuple(attended), tuple(kept)

    def embed(self, images: Tensor, trace_sources: bool = False) -> Tokens:
        """The tokens that go into the first block."""
        backbone = self.backbone
        x = backbone.norm_pre(backbone.patch_drop(backbone._pos_embed(backbone.patch_embed(images))))
        identity = torch.eye(x.shape[1], device=x.device, dtype=x.dtype).expand(x.shape[0], -1, -1)
        places = Places(x.shape[1]) if self.is_dense else None
        return Tokens(x, source=identity if trace_sources else None, places=places)

    def attend(self, index: int, tokens: Tokens) -> tuple[Tokens, Attended]:
        """The attention of block `index`, nothing removed."""
        block = self.backbone.blocks[index]
        weights, proportional = self.reducer.needs_weights(index), self.reducer.proportional
        branch, attended = attention_branch(block, tokens, weights, proportional)
        return dataclasses.replace(tokens, x=tokens.x + branch), attended

    def finish(self, index: int, tokens: Tokens) -> Tokens:
        """Block `index` from its MLP on."""
        branch = mlp_branch(self.backbone.blocks[index], tokens.x)
        return self.reducer.after(index, dataclasses.replace(tokens, x=tokens.x + branch))

    def macs_of(self, run: Run) -> Tensor:
        """MACs that a run took for each image, (B,) float64; the method's own work is not counted."""
        return torch.as_tensor(self.macs.total(*(count.double() for count in run.counts())))

    def raster(self, said: Tensor) -> Tensor:
        """What is said of all tokens (B, N, C) as a map of the patches (B, C, rows, columns), without any prefix."""
        rows, columns = self.backbone.patch_embed.grid_size
        return said[:, -rows * columns :].transpose(1, 2).unflatten(2, (rows, columns))

    def _classify(self, tokens: Tokens) -> Any:
        """The backbone's head; pooled means weigh a token by its size, as its patches would have counted."""
        backbone = self.backbone
        if self.is_dense:
            return backbone.forward_head(backbone.norm(tokens.restored))
        x = backbone.norm(tokens.x)
        weighted = tokens.size is not None or tokens.mask is not None
        if backbone.global_pool == "token" or not weighted:
            return backbone.forward_head(x)
        first = 0 if backbone.pool_include_prefix else backbone.num_prefix_tokens
        x, active = x[:, first:], tokens.active[:, first:]
        weights = (active * tokens.sizes[:, first:]).unsqueeze(-1).to(x.dtype)
        mean = (x * weights).sum(1) / weights.sum(1)
        highest = x.masked_fill(active.unsqueeze(-1) == 0, torch.finfo(x.dtype).min).amax(1)
        pooled = {"avg": mean, "max": highest, "avgmax": 0.5 * (mean + highest)}[backbone.global_pool]
        return backbone.head(backbone.head_drop(backbone.fc_norm(pooled)))


def parts_of(model: VisionTransformer | ReducedTransformer) -> tuple[VisionTransformer, str, Any, Reducer, Any]:
    """What a `ReducedTransformer` is made of; of a plain transformer, of one from which nothing is taken."""
    if isinstance(model, ReducedTransformer):
        return model.backbone, model.method, model.options, model.reducer, model.plan
    return model, "none", None, Reducer(model.num_prefix_tokens), None


def count_macs(model: ReducedTransformer, images: Tensor | None = None) -> Tensor:
    """MACs of the reduced network for each image (B,) as float64, or where no image changes them, for one (1,).

    The method's own work is not counted: see `Reducer.overhead`. The mean over images is the mean of their MACs, not
    the MACs at the mean number of tokens. Raises `UsageError` without images where the counts depend on them.
    """
    if images is None:
        macs = model.macs
        attended, kept = model.reducer.counts(macs.tokens)
        return torch.tensor([macs.total(attended, kept)], dtype=torch.float64)
    with evaluating(model), torch.no_grad():
        return model.macs_of(model.run(images))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`model` in evaluation mode meanwhile, each of its modules in its own mode again afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _checked(model: nn.Module) -> VisionTransformer:
    name = type(model).__name__
    if isinstance(model, ReducedTransformer):
        raise UsageError(f"tokens are already reduced with {model.method}: reduce its backbone instead")
    if not isinstance(model, VisionTransformer):
        raise UsageError(f"tokens can be reduced in a timm VisionTransformer, and {name} is none")
    if type(model).forward_features is not VisionTransformer.forward_features:
        raise UsageError(f"{name} runs its blocks in its own way, in which no tokens can be reduced")
    if model.global_pool not in _POOLS or model.attn_pool is not None:
        raise UsageError(
            f"token reduction supports pooling by {', '.join(_POOLS[:-1])} and none, not {model.global_pool!r}"
        )
    for block in model.blocks:
        if type(block) not in (Block, ResPostBlock) or type(block.attn) is not Attention:
            kind = f"{type(block).__name__} with {type(getattr(block, 'attn', None)).__name__}"
            raise UsageError(f"token reduction needs attention and MLP one after the other, and {name} has {kind}")
    return model

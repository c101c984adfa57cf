"""Token reductions of one's own: what registering takes, and what the conformance suite refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch

from blockfront.blocks.tokens import METHODS, Reducer, ScoredReducer, register_reducer
from blockfront.design_space import Network
from blockfront.errors import UsageError
from blockfront.testing import check_reducer

pytestmark = pytest.mark.compiles


class Sharpest(ScoredReducer):
    """The patches that differ most from their mean stay."""

    def __init__(self, backbone, removes, fusion="none", power: float = 2.0):
        super().__init__(backbone, removes, fusion)
        self.power = power

    def score(self, index, tokens, attended):
        patches = tokens.x[:, self.prefix :]
        return (patches - patches.mean(1, keepdim=True)).abs().pow(self.power).sum(-1)


class Halved(Reducer):
    """After the first block every other patch goes: a method without a score."""

    def __init__(self, backbone, after_block: int = 0):
        super().__init__(backbone.num_prefix_tokens)
        self.blocks, self.after_block = len(backbone.blocks), after_block

    def after(self, index, tokens):
        if index != self.after_block:
            return tokens
        numbers = [*range(self.prefix), *range(self.prefix, tokens.length, 2)]
        return tokens.at(torch.tensor(numbers).expand(tokens.x.shape[0], -1))

    def counts(self, tokens):
        left = self.prefix + -(-(tokens - self.prefix) // 2)
        lengths = [tokens] * (self.after_block + 1) + [left] * (self.blocks - self.after_block - 1)
        return lengths, lengths


class TakesTheWrongCount(Halved):
    def counts(self, tokens):
        return [tokens] * self.blocks, [tokens] * self.blocks


class ForgetsPlaces(Halved):
    def after(self, index, tokens):
        return replace(super().after(index, tokens), places=tokens.places)


class MovesThePrefix(Sharpest):
    def between(self, index, tokens, attended):
        tokens = super().between(index, tokens, attended)
        return tokens.at(torch.arange(tokens.length).flip(0).expand(tokens.x.shape[0], -1))


class IsNoisy(Sharpest):
    def score(self, index, tokens, attended):
        return torch.rand(tokens.x.shape[0], tokens.length - self.prefix)


class LooksAtTheBatch(Sharpest):
    def score(self, index, tokens, attended):
        return super().score(index, tokens, attended).mean(0, keepdim=True).expand(tokens.x.shape[0], -1)


class LeavesAParameterOut(Sharpest):
    def __init__(self, backbone, removes, fusion="none"):
        super().__init__(backbone, removes, fusion)
        self.unused = torch.nn.Parameter(torch.zeros(1))


class Changes(Sharpest):
    def between(self, index, tokens, attended):
        tokens = super().between(index, tokens, attended)
        return tokens.__class__(2 * tokens.x, tokens.size, tokens.mask, tokens.source)


@pytest.fixture
def registered() -> Iterator[Callable[..., str]]:
    names = []

    def register(cls, name: str = "mine") -> str:
        register_reducer(name)(cls)
        names.append(name)
        return name

    yield register
    for name in names:
        METHODS.remove(name)


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("tome", {"target": 0.7}),
        ("cropr", {"target": 0.7}),
        ("cropr", {"r": 3, "fusion": "none", "queries": 2}),
        ("evit", {"keep": 0.6}),
        ("random", {"target": 0.7, "fusion": "concat"}),
    ],
)
def test_this_suites_methods_conform(method: str, options: dict[str, object]) -> None:
    check_reducer(method, **options)


def test_a_scored_one_of_ones_own_conforms_and_is_part_of_a_networks_text(registered) -> None:
    check_reducer(registered(Sharpest), target=0.7, power=1.0)
    text = "vit_32_n10/p4_d4_w48_h3_m4/mine_target0.6_power=1"
    network = Network.parse(text)
    assert str(network) == text
    assert network.family == "vit_mine"
    assert network.build().reducer.power == 1.0
    assert METHODS["mine"].title == "The patches that differ most from their mean stay."


def test_another_way_to_take_tokens_out_conforms(registered) -> None:
    name = registered(Halved)
    check_reducer(name, after_block=1)
    assert str(Network.parse("vit_32_n10/p4_d4_w48_h3_m4/mine_after-block=1").reduction) == "mine_after-block=1"


@pytest.mark.parametrize(
    ("broken", "options", "complaint"),
    [
        (TakesTheWrongCount, {}, "tokens before attention and MLP, and counts"),
        (ForgetsPlaces, {}, "fails without pooling: .*there are 19 tokens and the places of 37"),
        (MovesThePrefix, {"target": 0.7}, "moves or merges the prefix"),
        (Changes, {"target": 0.7}, "changes outputs at a target of 1"),
        (LeavesAParameterOut, {"target": 0.7}, "no gradient reaches unused"),
        (IsNoisy, {"target": 0.7}, "another output for the same input"),
        (LooksAtTheBatch, {"target": 0.7}, "treats an image differently in a batch"),
    ],
)
def test_a_broken_one_is_refused_with_the_reason(registered, broken, options, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_reducer(registered(broken), **options)


def test_what_cannot_be_registered_says_why(registered) -> None:
    class NoBackbone(Reducer):
        def __init__(self, prefix):
            super().__init__(prefix)

    class OwnTarget(ScoredReducer):
        def __init__(self, backbone, removes, fusion="none", target: float = 0.5):
            super().__init__(backbone, removes, fusion)

    for cls, name, complaint in (
        (Sharpest, "by_norm", "use lower-case letters alone"),
        (Sharpest, "none", "use lower-case letters alone"),
        (Sharpest, "tome", "is already registered"),
        (NoBackbone, "mine", r"__init__ must begin with \(self, backbone\)"),
        (OwnTarget, "mine", "every reduction that scores has an option 'target'"),
    ):
        with pytest.raises(UsageError, match=complaint):
            register_reducer(name)(cls)
    with pytest.raises(UsageError, match="mine takes one of target and r"):
        Network.parse(f"vit_32_n10/p4_d4_w48_h3_m4/{registered(Sharpest)}")

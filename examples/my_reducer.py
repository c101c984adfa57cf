"""A token reduction of one's own, and a space that compares it with pruning at random."""

from blockfront.blocks.tokens import ScoredReducer, register_reducer
from blockfront.design_space import Reduction, TransformerSpace, choice


@register_reducer("norm", title="pruning of the patches with the shortest features")
class NormReducer(ScoredReducer):
    def score(self, index, tokens, attended):
        return tokens.x[:, self.prefix :].norm(dim=-1)


space = TransformerSpace(
    "mine",
    resolution=32,
    num_classes=10,
    patch=4,
    depth=4,
    width=64,
    head_width=32,
    reductions=[Reduction(name, target=choice(0.6, 0.75)) for name in ("norm", "random")],
)

"""Transformers that have DINOv2's shape, so that its weights go into them, with tokens merged or pruned."""

from blockfront.design_space import Reduction, TransformerSpace, choice

shares = choice(0.45, 0.6, 0.75)
space = TransformerSpace(
    "my_pretrained",
    resolution=112,
    num_classes=10,
    patch=14,
    depth=12,
    width=384,
    head_width=64,
    mlp_ratio=4,
    reductions=[Reduction("none"), *(Reduction(name, target=shares) for name in ("tome", "ltmp", "cropr", "evit"))],
)

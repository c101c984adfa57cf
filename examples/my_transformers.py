"""A space of vision transformers of one's own: plain ones, and the same with tokens merged or pruned."""

from blockfront.design_space import Reduction, TransformerSpace, choice, integer

space = TransformerSpace(
    "my_transformers",
    resolution=32,
    num_classes=10,
    patch=4,
    depth=integer(4, 8, step=2),
    width=choice(64, 96, 128),
    head_width=32,
    mlp_ratio=choice(2, 4),
    reductions=[
        Reduction("none"),
        Reduction("tome", r=integer(2, 8)),
        Reduction("evit", keep=choice(0.5, 0.7, 0.9)),
    ],
    constraints={"macs": (5e6, 5e7)},
)

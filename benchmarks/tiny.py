"""A space of networks so small that a sweep over it is mostly the sweep: what kills and the tests of commands take."""

from blockfront.design_space import DesignSpace, Stage, choice, integer

space = DesignSpace(
    "tiny",
    resolution=32,
    num_classes=10,
    stem=8,
    family=choice("ds", "ir"),
    stages=[
        Stage(depth=1, width=integer(8, 32, step=8), stride=2),
        Stage(depth=integer(1, 2), width=integer(8, 32, step=8), stride=2),
    ],
)

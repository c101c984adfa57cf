"""Design spaces: sets of networks, the networks as data, and what they cost.

>>> from bench.design_space import DesignSpace, Stage, choice, integer
"""

from bench.design_space.cnn import CnnNetwork
from bench.design_space.cnn_space import DesignSpace
from bench.design_space.cost import count_cost
from bench.design_space.dimension import Dimension, choice, integer
from bench.design_space.loading import load_space
from bench.design_space.network import Network
from bench.design_space.presets import SPACES, Preset
from bench.design_space.reduction import Reduction, ReductionSpec
from bench.design_space.space import Space
from bench.design_space.spec import Head, StageSpec, Stem
from bench.design_space.stage import Stage
from bench.design_space.vit import VitNetwork
from bench.design_space.vit_space import TransformerSpace

__all__ = [
    "SPACES",
    "CnnNetwork",
    "Cost",
    "DesignSpace",
    "Dimension",
    "Head",
    "Network",
    "Preset",
    "Reduction",
    "ReductionSpec",
    "Space",
    "Stage",
    "StageSpec",
    "Stem",
    "TransformerSpace",
    "VitNetwork",
    "choice",
    "count_cost",
    "integer",
    "load_space",
]

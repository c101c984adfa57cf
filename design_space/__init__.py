"""Design spaces: sets of networks, the networks as data, and what they cost.

>>> from bench.design_space import DesignSpace, Stage, choice, integer
"""

from bench.design_space.cost import Cost, count_cost
from bench.design_space.dimension import Dimension, choice, integer
from bench.design_space.loading import load_space
from bench.design_space.network import Network, network_cost
from bench.design_space.presets import SPACES, Preset
from bench.design_space.space import DesignSpace
from bench.design_space.spec import Head, StageSpec, Stem
from bench.design_space.stage import Stage

__all__ = [
    "SPACES",
    "Cost",
    "DesignSpace",
    "Dimension",
    "Head",
    "Network",
    "Preset",
    "Stage",
    "StageSpec",
    "Stem",
    "choice",
    "count_cost",
    "integer",
    "load_space",
    "network_cost",
]

"""Design spaces: sets of networks, the networks as data, and what they cost.

>>> from blockfront.design_space import DesignSpace, Stage, choice, integer
"""

from blockfront.design_space.anchor_network import AnchorNetwork
from blockfront.design_space.cnn import CnnNetwork
from blockfront.design_space.cnn_space import DesignSpace
from blockfront.design_space.cost import count_cost
from blockfront.design_space.det import DetectionNetwork
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.detector_space import DetectorSpace
from blockfront.design_space.dimension import Dimension, choice, integer
from blockfront.design_space.known import KnownNetwork, known_network
from blockfront.design_space.listed_space import ListedSpace, list_networks
from blockfront.design_space.loading import load_space
from blockfront.design_space.network import Network
from blockfront.design_space.pixel_decoder import PixelDecoder
from blockfront.design_space.preset import Preset
from blockfront.design_space.presets import SPACES
from blockfront.design_space.reduction import Reduction, ReductionSpec
from blockfront.design_space.seg import SegmentationNetwork
from blockfront.design_space.segmenter_space import SegmenterSpace
from blockfront.design_space.space import Space
from blockfront.design_space.spec import Head, StageSpec, Stem
from blockfront.design_space.stage import Stage
from blockfront.design_space.vit import VitNetwork
from blockfront.design_space.vit_detection import VitDetectionNetwork, VitDetectionSpace
from blockfront.design_space.vit_segmentation import VitSegmentationNetwork, VitSegmentationSpace
from blockfront.design_space.vit_space import TransformerSpace
from blockfront.results import Cost

__all__ = [
    "SPACES",
    "AnchorNetwork",
    "CnnNetwork",
    "Cost",
    "DesignSpace",
    "DetectionNetwork",
    "DetectorHead",
    "DetectorSpace",
    "Dimension",
    "Head",
    "KnownNetwork",
    "ListedSpace",
    "Network",
    "PixelDecoder",
    "Preset",
    "Reduction",
    "ReductionSpec",
    "SegmentationNetwork",
    "SegmenterSpace",
    "Space",
    "Stage",
    "StageSpec",
    "Stem",
    "TransformerSpace",
    "VitDetectionNetwork",
    "VitDetectionSpace",
    "VitNetwork",
    "VitSegmentationNetwork",
    "VitSegmentationSpace",
    "choice",
    "count_cost",
    "integer",
    "known_network",
    "list_networks",
    "load_space",
]

"""Token reduction: methods that take tokens out of a timm VisionTransformer between its blocks.

from blockfront.blocks.tokens import reduce_tokens

reduced = reduce_tokens(timm.create_model("deit_small_patch16_224", pretrained=True), "ltmp", target=0.75)
"""

from blockfront.blocks.tokens import cropr, ltmp, pruning, tome
from blockfront.blocks.tokens.checkpoints import load_reduction, save_reduction
from blockfront.blocks.tokens.evaluation import TransformerScore, score_transformers
from blockfront.blocks.tokens.learning import LABEL_SMOOTHING, clamp_thresholds, learn_thresholds, threshold_groups
from blockfront.blocks.tokens.macs import TransformerMacs
from blockfront.blocks.tokens.patch_segmenter import PatchSegmenter
from blockfront.blocks.tokens.planning import (
    Plan,
    assume_counts,
    calibrate,
    calibrate_capacity,
    make_dynamic,
    make_static,
)
from blockfront.blocks.tokens.reducer import METHODS, Method, Reducer
from blockfront.blocks.tokens.registering import register_reducer
from blockfront.blocks.tokens.scored import ScoredReducer
from blockfront.blocks.tokens.state import Run, Tokens
from blockfront.blocks.tokens.transformer import ReducedTransformer, count_macs, parts_of, reduce_tokens

__all__ = [
    "LABEL_SMOOTHING",
    "METHODS",
    "Method",
    "PatchSegmenter",
    "Plan",
    "ReducedTransformer",
    "Reducer",
    "Run",
    "ScoredReducer",
    "Tokens",
    "TransformerMacs",
    "TransformerScore",
    "assume_counts",
    "calibrate",
    "calibrate_capacity",
    "clamp_thresholds",
    "count_macs",
    "cropr",
    "learn_thresholds",
    "load_reduction",
    "ltmp",
    "make_dynamic",
    "make_static",
    "parts_of",
    "pruning",
    "reduce_tokens",
    "register_reducer",
    "save_reduction",
    "score_transformers",
    "threshold_groups",
    "tome",
]

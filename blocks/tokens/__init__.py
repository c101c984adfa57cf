"""Token reduction: methods that take tokens out of a timm VisionTransformer between its blocks.

from bench.blocks.tokens import reduce_tokens

reduced = reduce_tokens(timm.create_model("deit_small_patch16_224", pretrained=True), "ltmp", target=0.75)
"""

from bench.blocks.tokens import cropr, ltmp, pruning, tome
from bench.blocks.tokens.checkpoints import load_reduction, save_reduction
from bench.blocks.tokens.learning import clamp_thresholds, learn_thresholds, threshold_groups
from bench.blocks.tokens.macs import TransformerMacs
from bench.blocks.tokens.planning import Plan, assume_counts, calibrate, calibrate_capacity, make_static
from bench.blocks.tokens.reducer import METHODS, Method, Reducer
from bench.blocks.tokens.state import Run, Tokens
from bench.blocks.tokens.transformer import ReducedTransformer, count_macs, reduce_tokens

__all__ = [
    "METHODS",
    "Method",
    "Plan",
    "ReducedTransformer",
    "Reducer",
    "Run",
    "Tokens",
    "TransformerMacs",
    "assume_counts",
    "calibrate",
    "calibrate_capacity",
    "clamp_thresholds",
    "count_macs",
    "cropr",
    "learn_thresholds",
    "load_reduction",
    "ltmp",
    "make_static",
    "pruning",
    "reduce_tokens",
    "save_reduction",
    "threshold_groups",
    "tome",
]

"""The columns of a study's table: their names, types, units and meaning, and the version of all that.

The same names are the keys of every `--json` document and the headers of every export.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 1
"""Raised whenever a column changes its name, its unit or its meaning; a new column does not raise it."""

Kind = Literal["text", "whole", "real"]


@dataclass(frozen=True)
class Column:
    """One column: `kind` is text, whole (integer, may be missing) or real (float64, NaN when missing)."""

    name: str
    kind: Kind
    unit: str
    title: str


COLUMNS: tuple[Column, ...] = (
    Column("study", "text", "", "name of the study"),
    Column("trial", "whole", "", "number of the trial in its study, from 0"),
    Column("state", "text", "", "complete, failed, running or waiting"),
    Column("error", "text", "", "why a failed network failed: the stage and one line"),
    Column("network_id", "text", "", "first 12 hex digits of the SHA-256 of the network's canonical JSON"),
    Column("network", "text", "", "the network's text form, which builds it again"),
    Column(
        "family", "text", "", "the block type the network is made of, or mixed; of transformers vit, vit_tome and so on"
    ),
    Column("resolution", "whole", "pixels", "height and width of the input"),
    Column("target", "text", "", "hardware the network is compiled for"),
    Column("device", "text", "", "the specimens that ran it, or the model that stood in for it"),
    Column("threads", "whole", "", "threads the network runs with on the target; none on an accelerator"),
    Column("runner", "text", "", "how the latency was obtained"),
    Column("predictor", "text", "", "which model made a predicted latency"),
    Column(
        "prediction_error", "real", "", "median relative error, without its sign, where the predictor could be judged"
    ),
    Column("prediction_error_p90", "real", "", "90th percentile of the same"),
    Column("prediction_basis", "text", "", "what those errors were found on, and where the model's figures are from"),
    Column("latency_source", "text", "", "measured, predicted or simulated"),
    Column("latency_ms", "real", "ms", "median time of one inference at batch 1"),
    Column("latency_ci95_low_ms", "real", "ms", "lower end of the median's 95 % interval"),
    Column("latency_ci95_high_ms", "real", "ms", "upper end of the median's 95 % interval"),
    Column("energy_mj", "real", "mJ", "energy of one inference, where the runner gives one"),
    Column("precision", "text", "", "number format of weights and activations that the latency is for"),
    Column("simulated_macs", "real", "0 to 1", "share of the MACs that the simulator itself models"),
    Column(
        "simulated_activations",
        "real",
        "0 to 1",
        "share of the written activation bytes that the simulator itself models; a rule costs the others",
    ),
    Column("max_abs_error", "real", "", "largest absolute difference of the compiled network from torch"),
    Column("max_rel_error", "real", "", "max_abs_error over torch's largest absolute output"),
    Column("verified_on", "text", "", "where the compiled network was compared with torch"),
    Column("unscheduled_kernels", "whole", "", "kernels that no schedule rule covers"),
    Column("tuned_kernels", "whole", "", "kernels whose schedule `bench tune` found; the rules made all others"),
    Column(
        "token_counts", "text", "", "how a learned token reduction got its counts: calibrated on images, or assumed"
    ),
    Column("peak_memory_bytes", "whole", "bytes", "activation memory TVM planned, weights excluded"),
    Column("macs", "whole", "", "multiply-accumulates of one inference"),
    Column("params", "whole", "", "trainable parameters"),
    Column("activations", "whole", "", "output elements of all convolutions and linear layers"),
    Column("top1", "real", "0 to 1", "share of test images classified right"),
    Column("top5", "real", "0 to 1", "share of test images with the right class among the first five"),
    Column("plain_top1", "real", "0 to 1", "top-1 before the thresholds of a token reduction were learned"),
    Column("dynamic_top1", "real", "0 to 1", "top-1 while thresholds decide; top1 is of the fixed counts that run"),
    Column("agreement", "real", "0 to 1", "share of test images that thresholds and fixed counts give the same class"),
    Column("test_images", "whole", "", "images the accuracy was counted on"),
    Column("accuracy_source", "text", "", "trained, checkpoint or proxy"),
    Column("dataset", "text", "", "data set trained and tested on"),
    Column("epochs", "whole", "", "passes over the training images"),
    Column("train_seconds", "real", "s", "time the training took"),
    Column("seed", "whole", "", "seed of the sampling, the weights and the training"),
    Column("schema_version", "whole", "", "version of these columns"),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)

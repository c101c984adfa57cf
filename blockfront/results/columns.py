"""The columns of a study's table: name, type, unit, meaning, and how each follows from a result.

Everything that shows results reads this table: rows and frames, `--json`, `bench show`, figures, docs/columns.md.
"""

from __future__ import annotations

from blockfront.results.column import (
    Column,
    adapted_columns,
    before_columns,
    count,
    latency_end,
    of_training,
    outside,
    path,
    predicted_end,
    sample_percentile,
    score_columns,
)
from blockfront.results.column_registry import add_columns
from blockfront.results.metric import Metric, share_of_images

SCHEMA_VERSION = 1
"""Raised whenever a column changes its name, its unit or its meaning; a new column does not raise it."""

add_columns(
    Column("study", "text", "", "name of the study", path("origin.study")),
    Column("trial", "whole", "", "number of the trial in its study, from 0", path("trial")),
    Column("state", "text", "", "complete, failed, rejected, running or waiting", path("state")),
    Column("error", "text", "", "why a failed network failed: the stage and one line", path("error")),
    Column("rejected", "text", "", "which constraints a profiled network did not meet", path("rejected")),
    Column(
        "network_id",
        "text",
        "",
        "first 12 hex digits of the SHA-256 of the network's canonical JSON",
        path("network.id"),
    ),
    Column("network", "text", "", "the network's text form, which builds it again", path("network.text")),
    Column(
        "family",
        "text",
        "",
        "the block type the network is made of, or mixed; of transformers vit, vit_tome and so on; of known networks "
        "the architecture",
        path("network.family"),
    ),
    Column("resolution", "whole", "pixels", "height and width of the input", path("network.resolution")),
    Column("target", "text", "", "hardware the network is compiled for", path("origin.target")),
    Column(
        "device",
        "text",
        "",
        "the specimens that ran it, or the model that stood in for it",
        path("latency.device"),
    ),
    Column(
        "threads",
        "whole",
        "",
        "threads the network runs with on the target; none on an accelerator",
        path("origin.threads"),
    ),
    Column("runner", "text", "", "how the latency was obtained", path("origin.runner")),
    Column("toolchain", "text", "", "what made the network ready for the target", path("origin.toolchain")),
    Column("predictor", "text", "", "which model made a predicted latency", path("latency.predictor")),
    Column(
        "prediction_error",
        "real",
        "",
        "median relative error, without its sign, where the predictor could be judged",
        path("latency.prediction.median_error"),
    ),
    Column(
        "prediction_error_p90",
        "real",
        "",
        "90th percentile of the same",
        path("latency.prediction.p90_error"),
    ),
    Column(
        "prediction_within_tenth",
        "real",
        "0 to 1",
        "share of the same errors that are at most 10 %",
        path("latency.prediction.within_tenth"),
    ),
    Column(
        "predicted90_low_ms",
        "real",
        "ms",
        "lower end of the interval that is meant to hold the true latency nine times in ten; of predictions, no "
        "interval of a measurement",
        lambda r: predicted_end(r, 0),
    ),
    Column("predicted90_high_ms", "real", "ms", "upper end of the same", lambda r: predicted_end(r, 1)),
    Column(
        "prediction_outside",
        "text",
        "",
        "in what the latency is none of those that the errors were found on, which widens the interval",
        outside,
    ),
    Column(
        "prediction_basis",
        "text",
        "",
        "what those errors were found on, and where the model's figures are from",
        path("latency.prediction.basis"),
    ),
    Column(
        "latency_source", "text", "", "measured, measured elsewhere, predicted or simulated", path("latency.source")
    ),
    Column(
        "latency_ms",
        "real",
        "ms",
        "median time of one inference at batch 1",
        path("latency.median_ms"),
        Metric(
            "latency_ms",
            "latency",
            "ms",
            "minimize",
            interval=("latency_ci95_low_ms", "latency_ci95_high_ms"),
            depends_on="target",
            superlative="fastest",
        ),
    ),
    Column("latency_ci95_low_ms", "real", "ms", "lower end of the median's 95 % interval", lambda r: latency_end(r, 0)),
    Column(
        "latency_ci95_high_ms", "real", "ms", "upper end of the median's 95 % interval", lambda r: latency_end(r, 1)
    ),
    Column(
        "latency_p90_ms",
        "real",
        "ms",
        "90th percentile of a measured latency's samples, each a mean over as many inferences as take 5 ms",
        lambda r: sample_percentile(r, 90),
    ),
    Column("latency_p99_ms", "real", "ms", "99th percentile of the same", lambda r: sample_percentile(r, 99)),
    Column(
        "energy_mj",
        "real",
        "mJ",
        "energy of one inference, where the runner gives one",
        path("latency.energy_mj"),
        Metric("energy_mj", "energy", "mJ", "minimize", depends_on="target"),
    ),
    Column(
        "precision",
        "text",
        "",
        "number format of weights and activations that the latency is for",
        path("latency.precision"),
    ),
    Column(
        "simulated_macs",
        "real",
        "0 to 1",
        "share of the MACs that the simulator itself models",
        path("latency.coverage.macs"),
    ),
    Column(
        "simulated_activations",
        "real",
        "0 to 1",
        "share of the written activation bytes that the simulator itself models; a rule costs the others",
        path("latency.coverage.activations"),
    ),
    Column(
        "max_abs_error",
        "real",
        "",
        "largest absolute difference of the compiled network from torch, in float64 where torch_rel_error is known",
        path("latency.max_abs_error"),
    ),
    Column(
        "max_rel_error",
        "real",
        "",
        "max_abs_error over torch's largest absolute output",
        path("latency.max_rel_error"),
    ),
    Column(
        "torch_rel_error",
        "real",
        "",
        "the same of torch's own float32 output from its float64 one; none where torch does not run in float64",
        path("latency.torch_rel_error"),
    ),
    Column(
        "verified_on",
        "text",
        "",
        "where the compiled network was compared with torch",
        path("latency.verified_on"),
    ),
    Column(
        "unscheduled_kernels",
        "whole",
        "",
        "kernels that no schedule rule covers",
        count("latency.unscheduled_kernels"),
    ),
    Column(
        "tuned_kernels",
        "whole",
        "",
        "kernels whose schedule `bench tune` found; the rules made all others",
        count("latency.tuned_kernels"),
    ),
    Column(
        "token_counts",
        "text",
        "",
        "how a learned token reduction got its counts: calibrated on images, or assumed",
        lambda r: r.adapted.get("token_counts"),
    ),
    Column(
        "peak_memory_bytes",
        "whole",
        "bytes",
        "activation memory TVM planned, weights excluded",
        path("latency.peak_memory_bytes"),
        Metric("peak_memory_bytes", "peak activation memory", "MiB", "minimize", scale=2**-20),
    ),
    Column(
        "flash_bytes",
        "whole",
        "bytes",
        "code of the compiled network's kernels, and its weights",
        path("latency.flash_bytes"),
        Metric("flash_bytes", "flash", "MiB", "minimize", scale=2**-20, depends_on="target"),
    ),
    Column(
        "ram_bytes",
        "whole",
        "bytes",
        "memory of an inference: inputs, outputs, activations, and what kernels take for themselves; no stacks",
        path("latency.ram_bytes"),
        Metric("ram_bytes", "RAM", "MiB", "minimize", scale=2**-20, depends_on="target"),
    ),
    Column(
        "macs",
        "whole",
        "",
        "multiply-accumulates of one inference",
        path("cost.macs"),
        Metric("macs", "MACs", "M", "minimize", scale=1e-6),
    ),
    Column(
        "params",
        "whole",
        "",
        "trainable parameters",
        path("cost.params"),
        Metric("params", "parameters", "M", "minimize", scale=1e-6),
    ),
    Column(
        "activations",
        "whole",
        "",
        "output elements of all convolutions and linear layers",
        path("cost.activations"),
        Metric("activations", "activations", "M", "minimize", scale=1e-6),
    ),
    *score_columns(
        "0 to 1",
        "share of test images classified right",
        share_of_images("top1", "top-1 accuracy", "top-1", "accuracy", "most accurate"),
    ),
    *score_columns(
        "0 to 1",
        "share of test images with the right class among the first five",
        share_of_images("top5", "top-5 accuracy", "top-5"),
    ),
    *before_columns(
        "top1",
        "0 to 1",
        "top-1 before the thresholds of a token reduction were learned",
        share_of_images("plain_top1", "top-1 accuracy before token reduction"),
    ),
    *adapted_columns(
        "top-1 while thresholds decide; top1 is of the fixed counts that run",
        share_of_images("dynamic_top1", "top-1 accuracy while thresholds decide"),
    ),
    *adapted_columns(
        "share of test images that thresholds and fixed counts give the same class",
        share_of_images("agreement", "agreement of thresholds and fixed counts", "agreement", "agreement"),
    ),
    Column(
        "test_images",
        "whole",
        "",
        "images the accuracy was counted on",
        lambda r: of_training(r, lambda t: t.test_images),
    ),
    Column(
        "trainings",
        "whole",
        "",
        "trainings, each with a seed of its own, that accuracies are the mean of",
        lambda r: sum(t.epochs > 0 for t in r.trainings) or None,
    ),
    Column(
        "accuracy_source",
        "text",
        "",
        "where accuracies are from: trained or checkpoint (tested) here, published, the user's file, or proxy",
        lambda r: of_training(r, lambda t: t.source),
    ),
    Column(
        "checkpoint", "text", "", "weights that the accuracies are of", lambda r: of_training(r, lambda t: t.checkpoint)
    ),
    Column("task", "text", "", "what networks are trained for", path("origin.task")),
    Column(
        "dataset",
        "text",
        "",
        "data set trained and tested on",
        lambda r: of_training(r, lambda t: t.dataset) or r.origin.dataset,
    ),
    Column("recipe_hash", "text", "", "hash of the recipe", lambda r: of_training(r, lambda t: t.recipe_hash or None)),
    Column(
        "epochs", "whole", "", "passes over the training images", lambda r: of_training(r, lambda t: t.epochs) or None
    ),
    Column(
        "train_seconds",
        "real",
        "s",
        "time the training took",
        lambda r: sum(t.seconds for t in r.trainings) or None,
    ),
    Column("seed", "whole", "", "seed of the sampling, the weights and the training", path("origin.seed")),
    Column("schema_version", "whole", "", "version of these columns", lambda r: SCHEMA_VERSION),
)

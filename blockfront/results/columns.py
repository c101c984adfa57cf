"""The columns of a study's table: name, type, unit, meaning, and how each follows from a result.

Everything that shows results reads this table: rows and frames, `--json`, `bench show`, figures, docs/columns.md.
"""

from __future__ import annotations

from blockfront.results.column import (
    Column,
    adapted_columns,
    before_columns,
    change_columns,
    changed,
    of_training,
    path,
    score_columns,
)
from blockfront.results.column_registry import add_columns
from blockfront.results.latency_columns import LATENCY_COLUMNS
from blockfront.results.metric import Metric, share_of_images
from blockfront.results.result import Result
from blockfront.results.training import Training

SCHEMA_VERSION = 1
"""Raised whenever a column changes its name, its unit or its meaning; a new column does not raise it."""


def _begun(result: Result) -> tuple[Training, ...]:
    """Trainings that are over, or else the first one so far."""
    return result.trainings or ((result.begun,) if result.begun else ())


def _in_float32(key: str, label: str) -> Metric:
    return Metric(f"{key}_float", f"{label} in float32", "%", "maximize", scale=100, digits=1, fixed=True)


add_columns(
    Column("study", "text", "", "name of the study", path("origin.study")),
    Column("trial", "whole", "", "number of the trial in its study, from 0", path("trial")),
    Column("state", "text", "", "complete, failed, rejected, stopped, running or waiting", path("state")),
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
        "the architecture; of detectors without some of their anchors that of the whole ones, and pruned",
        path("network.family"),
    ),
    Column(
        "parent",
        "text",
        "",
        "of a detector that a search left without some of its anchors, the network_id of the whole one",
        path("network.parent"),
    ),
    Column(
        "skeleton",
        "whole",
        "",
        "number of the skeleton that it shares with a network of each other family; missing where networks were drawn "
        "one by one",
        path("skeleton"),
    ),
    Column("resolution", "whole", "pixels", "height and width of the input", path("network.resolution")),
    *LATENCY_COLUMNS,
    Column(
        "macs",
        "whole",
        "",
        "multiply-accumulates of one inference",
        path("cost.macs"),
        Metric("macs", "MACs", "M", "minimize", scale=1e-6),
    ),
    Column(
        "backbone_macs",
        "whole",
        "",
        "of a detector or a segmenter, those of stem and stages",
        lambda r: None if r.cost is None or r.cost.head_macs is None else r.cost.macs - r.cost.head_macs,
        Metric("backbone_macs", "MACs of the backbone", "M", "minimize", scale=1e-6),
    ),
    Column(
        "head_macs",
        "whole",
        "",
        "of a detector or a segmenter, those behind its backbone: feature pyramid, extra levels, heads, decoder",
        path("cost.head_macs"),
        Metric("head_macs", "MACs of the head", "M", "minimize", scale=1e-6),
    ),
    Column("boxes", "whole", "", "of a detector, anchors of one image", path("network.boxes")),
    Column(
        "answer",
        "text",
        "",
        "of a segmenter, what the latency is for: logits of so many pixels, or labels",
        path("network.answer"),
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
    *(
        column
        for key, short, title in (
            ("ap", "AP", "average precision of boxes, the mean over overlaps from 0.5 to 0.95, as COCO has it"),
            ("ap50", "AP50", "the same at an overlap of 0.5"),
            ("ap75", "AP75", "the same at an overlap of 0.75"),
            ("ap_small", "AP small", "ap of objects below 32² pixels"),
            ("ap_medium", "AP medium", "ap of objects from 32² to 96² pixels"),
            ("ap_large", "AP large", "ap of objects above 96² pixels"),
            (
                "mask_ap",
                "mask AP",
                "the same as ap, of masks in the place of boxes",
            ),
            ("mask_ap50", "mask AP50", "the same at an overlap of 0.5"),
            ("mask_ap75", "mask AP75", "the same at an overlap of 0.75"),
            ("mask_ap_small", "mask AP small", "mask_ap of objects below 32² pixels"),
            ("mask_ap_medium", "mask AP medium", "mask_ap of objects from 32² to 96² pixels"),
            ("mask_ap_large", "mask AP large", "mask_ap of objects above 96² pixels"),
        )
        for column in score_columns(
            "0 to 1",
            title,
            Metric(key, short, "%", "maximize", scale=100, digits=1, fixed=True, superlative=f"highest {short}"),
        )
    ),
    *score_columns(
        "0 to 1",
        "intersection over union of classes of pixels, the mean over classes",
        Metric(
            "miou",
            "mean IoU",
            "%",
            "maximize",
            scale=100,
            digits=1,
            fixed=True,
            short="mIoU",
            superlative="highest mIoU",
        ),
    ),
    *score_columns(
        "0 to 1",
        "share of test images' pixels of the right class",
        Metric("pixel_accuracy", "pixel accuracy", "%", "maximize", scale=100, digits=1, fixed=True),
    ),
    *before_columns(
        "token_counts",
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
    *(
        column
        for key, short, label, before in (
            ("top1", "top-1", "top-1 accuracy", share_of_images("top1_float", "top-1 accuracy in float32")),
            ("ap", "ap", "AP", _in_float32("ap", "AP")),
            ("mask_ap", "mask_ap", "mask AP", _in_float32("mask_ap", "mask AP")),
            ("miou", "miou", "mean IoU", _in_float32("miou", "mean IoU")),
        )
        for column in (
            *before_columns(
                "int8", key, "0 to 1", f"{short} in float32 of a network whose {key} is that of int8", before
            ),
            *change_columns(
                "0 to 1",
                f"{key}_float less {key}, on the same images and paired by image",
                Metric(
                    f"{key}_drop", f"loss of {label} to int8", "points", "minimize", scale=100, digits=2, fixed=True
                ),
            ),
        )
    ),
    *adapted_columns(
        "share of test images that int8 and float32 give the same class",
        share_of_images("float_agreement", "agreement of int8 and float32"),
    ),
    Column(
        "snr_db",
        "real",
        "dB",
        "power of the float32 network's outputs over that of their change by int8, on the test images",
        lambda r: (score := changed(r, "snr_db")) and score.value,
    ),
    Column("calibration", "text", "", "what the ranges of an int8 network are from", lambda r: r.adapted.get("int8")),
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
        "epochs",
        "whole",
        "",
        "passes over the training images so far",
        lambda r: next((t.epochs or None for t in _begun(r)), None),
    ),
    Column(
        "train_seconds",
        "real",
        "s",
        "time its trainings took, of all seeds",
        lambda r: sum(t.seconds for t in _begun(r)) or None,
    ),
    Column(
        "stopped",
        "text",
        "",
        "why its training ended before its last epoch: when, what it could have reached, what the front has",
        path("stopped.reason"),
    ),
    Column(
        "optimistic_value",
        "real",
        "",
        "of a stopped network, the upper end of the 80 % prediction interval of its value after all epochs",
        path("stopped.optimistic"),
    ),
    Column("seed", "whole", "", "seed of the sampling, the weights and the training", path("origin.seed")),
    Column("schema_version", "whole", "", "version of these columns", lambda r: SCHEMA_VERSION),
)

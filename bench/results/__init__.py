"""What is known of a network on hardware: one result, how a trial keeps it, and the columns that follow from it."""

from bench.results.column import DTYPES, Column, path, score_columns
from bench.results.columns import COLUMNS, METRICS, SCHEMA_VERSION
from bench.results.cost import Cost
from bench.results.counts import Counts
from bench.results.latency import Coverage, KernelTime, Latency, Peak, Prediction, Visit
from bench.results.metric import MISSING, Metric, share_of_images
from bench.results.result import NetworkFacts, Origin, Result
from bench.results.training import Score, Training, counted_share, mean_score

__all__ = [
    "COLUMNS",
    "DTYPES",
    "METRICS",
    "MISSING",
    "SCHEMA_VERSION",
    "Column",
    "Cost",
    "Counts",
    "Coverage",
    "KernelTime",
    "Latency",
    "Metric",
    "NetworkFacts",
    "Origin",
    "Peak",
    "Prediction",
    "Result",
    "Score",
    "Training",
    "Visit",
    "counted_share",
    "mean_score",
    "path",
    "score_columns",
    "share_of_images",
]

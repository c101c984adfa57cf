"""What is known of a network on hardware: one result, how a trial keeps it, and the columns that follow from it."""

from blockfront.results.column import DTYPES, Column, path, score_columns
from blockfront.results.columns import COLUMNS, METRICS, SCHEMA_VERSION
from blockfront.results.cost import Cost
from blockfront.results.counts import Counts
from blockfront.results.latency import Coverage, KernelTime, Latency, Peak, Prediction, Visit
from blockfront.results.metric import MISSING, Metric, share_of_images
from blockfront.results.result import NetworkFacts, Origin, Result
from blockfront.results.training import Score, Training, counted_share, mean_score

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

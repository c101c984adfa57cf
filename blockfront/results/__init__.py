"""What is known of a network on hardware: one result, how a trial keeps it, and the columns that follow from it."""

from blockfront.results.column import DTYPES, Column, Scored, path, score_columns, seed_column
from blockfront.results.column_registry import COLUMNS, METRICS, add_columns, add_scored, scored
from blockfront.results.columns import SCHEMA_VERSION
from blockfront.results.cost import Cost
from blockfront.results.counts import Counts
from blockfront.results.intervals import bootstrap, bootstrap95, interval95, paired95, wilson95
from blockfront.results.latency import Coverage, KernelTime, Latency, Peak, Prediction, Visit
from blockfront.results.metric import MISSING, Metric, share_of_images
from blockfront.results.result import Adapted, NetworkFacts, Origin, Result, Stopped
from blockfront.results.training import Score, Training, counted_share, mean_over_images, mean_score

__all__ = [
    "COLUMNS",
    "DTYPES",
    "METRICS",
    "MISSING",
    "SCHEMA_VERSION",
    "Adapted",
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
    "Scored",
    "Stopped",
    "Training",
    "Visit",
    "add_columns",
    "add_scored",
    "bootstrap",
    "bootstrap95",
    "counted_share",
    "interval95",
    "mean_over_images",
    "mean_score",
    "paired95",
    "path",
    "score_columns",
    "scored",
    "seed_column",
    "share_of_images",
    "wilson95",
]

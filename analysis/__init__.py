"""Fronts, comparisons, statistics, figures and the report, from a study's DataFrame (one row a network)."""

from blockfront.analysis.answer import answer_lines
from blockfront.analysis.choice import Choice, choose_network
from blockfront.analysis.comparison import Comparison, compare_targets, comparison_records, comparison_sentences
from blockfront.analysis.comparison_page import render_comparison, write_comparison
from blockfront.analysis.correlation import (
    compare_studies,
    middle_tercile,
    rank_correlations,
    spearman,
    spearman_interval,
)
from blockfront.analysis.error_edf import complexity_weights, edf
from blockfront.analysis.families import (
    Box,
    Lead,
    best_at_budgets,
    default_budgets,
    family_table,
    lead,
    study_box,
)
from blockfront.analysis.figure_correlation import plot_correlation
from blockfront.analysis.figure_edf import plot_edf
from blockfront.analysis.figure_front import plot_front
from blockfront.analysis.figure_kernels import plot_kernels
from blockfront.analysis.figure_share import plot_share
from blockfront.analysis.figure_targets import plot_targets
from blockfront.analysis.frame import split_sources, tidy, usable, with_fallbacks
from blockfront.analysis.headline import headline
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.paired import Paired, compare_runs, percentage
from blockfront.analysis.pareto import best_within, front, front_mask, hypervolume
from blockfront.analysis.report import render_report, write_report
from blockfront.analysis.speedup import accuracy_levels, speedups
from blockfront.analysis.stopping import StoppedEarly, stopped_early
from blockfront.analysis.swaps import swaps
from blockfront.results import METRICS, Metric
from blockfront.results.intervals import wilson95

__all__ = [
    "METRICS",
    "OBJECTIVES",
    "Box",
    "Choice",
    "Comparison",
    "Lead",
    "Metric",
    "Objectives",
    "Paired",
    "StoppedEarly",
    "accuracy_levels",
    "answer_lines",
    "best_at_budgets",
    "best_within",
    "choose_network",
    "compare_runs",
    "compare_studies",
    "compare_targets",
    "comparison_records",
    "comparison_sentences",
    "complexity_weights",
    "default_budgets",
    "edf",
    "family_table",
    "front",
    "front_mask",
    "headline",
    "hypervolume",
    "lead",
    "middle_tercile",
    "percentage",
    "plot_correlation",
    "plot_edf",
    "plot_front",
    "plot_kernels",
    "plot_share",
    "plot_targets",
    "rank_correlations",
    "render_comparison",
    "render_report",
    "spearman",
    "spearman_interval",
    "speedups",
    "split_sources",
    "stopped_early",
    "study_box",
    "swaps",
    "tidy",
    "usable",
    "wilson95",
    "with_fallbacks",
    "write_comparison",
    "write_report",
]

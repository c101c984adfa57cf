"""Fronts, comparisons, statistics, figures and the report, from a study's DataFrame (one row a network)."""

from bench.analysis.comparison import Comparison, compare_targets, comparison_records, comparison_sentences
from bench.analysis.comparison_page import render_comparison, write_comparison
from bench.analysis.correlation import (
    compare_studies,
    middle_tercile,
    rank_correlations,
    spearman,
    spearman_interval,
)
from bench.analysis.error_edf import complexity_weights, edf
from bench.analysis.families import (
    Box,
    Lead,
    best_at_budgets,
    default_budgets,
    family_table,
    lead,
    study_box,
)
from bench.analysis.figure_correlation import plot_correlation
from bench.analysis.figure_edf import plot_edf
from bench.analysis.figure_front import plot_front
from bench.analysis.figure_kernels import plot_kernels
from bench.analysis.figure_share import plot_share
from bench.analysis.figure_targets import plot_targets
from bench.analysis.frame import split_sources, tidy, usable
from bench.analysis.headline import headline
from bench.analysis.metrics import OBJECTIVES, Objectives
from bench.analysis.pareto import best_within, front, front_mask, hypervolume
from bench.analysis.report import render_report, write_report
from bench.analysis.speedup import accuracy_levels, speedups
from bench.results import METRICS, Metric
from bench.results.intervals import wilson95

__all__ = [
    "METRICS",
    "OBJECTIVES",
    "Box",
    "Comparison",
    "Lead",
    "Metric",
    "Objectives",
    "accuracy_levels",
    "best_at_budgets",
    "best_within",
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
    "study_box",
    "tidy",
    "usable",
    "wilson95",
    "write_comparison",
    "write_report",
]

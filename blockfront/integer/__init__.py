"""Exact integer arithmetic: the operators that quantised networks are made of, as torch computes them."""

from .operators import HIGHEST, LOWEST, exact

__all__ = ["HIGHEST", "LOWEST", "exact"]

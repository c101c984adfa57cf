"""Adaptations: what data decide of a network after its training and before it is compiled."""

from blockfront.adaptations.adaptation import ADAPTATIONS, Adaptation
from blockfront.adaptations.token_counts import TokenCounts

__all__ = ["ADAPTATIONS", "Adaptation", "TokenCounts"]

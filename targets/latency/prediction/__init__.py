"""From what a core executed to milliseconds: the models of the cores, their coefficients and how those are fitted."""

from blockfront.targets.latency.prediction.core_model import Coefficients, CoreModel, Error
from blockfront.targets.latency.prediction.core_models import core_model

__all__ = ["Coefficients", "CoreModel", "Error", "core_model"]

"""Tasks: what a network is to give, how it learns that, and how well it does it."""

from blockfront.tasks.classification import Classification
from blockfront.tasks.task import TASKS, Evaluator, Task

__all__ = ["TASKS", "Classification", "Evaluator", "Task"]

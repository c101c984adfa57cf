"""Tasks: what a network is to give, how it learns that, and how well it does it."""

from blockfront.tasks.classification import CLASSIFICATION, Classification
from blockfront.tasks.evaluators import ImageMeans
from blockfront.tasks.task import TASKS, Evaluator, Task, Tasks

__all__ = ["CLASSIFICATION", "TASKS", "Classification", "Evaluator", "ImageMeans", "Task", "Tasks"]

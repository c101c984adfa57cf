"""Tasks: what a network is to give, how it learns that, and how well it does it."""

from blockfront.tasks.boxes import AnchorOutputs
from blockfront.tasks.classification import CLASSIFICATION, Classification
from blockfront.tasks.detection import DETECTION, Detection, counting_images, present_classes
from blockfront.tasks.evaluators import ImageMeans
from blockfront.tasks.instances import INSTANCES, InstanceSegmentation, packed_rows
from blockfront.tasks.masks import IGNORED
from blockfront.tasks.segmentation import SEGMENTATION, Segmentation
from blockfront.tasks.task import TASKS, Evaluator, Task, Tasks

__all__ = [
    "CLASSIFICATION",
    "DETECTION",
    "IGNORED",
    "INSTANCES",
    "SEGMENTATION",
    "TASKS",
    "AnchorOutputs",
    "Classification",
    "Detection",
    "Evaluator",
    "ImageMeans",
    "InstanceSegmentation",
    "Segmentation",
    "Task",
    "Tasks",
    "counting_images",
    "packed_rows",
    "present_classes",
]

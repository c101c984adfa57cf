"""What a task does with a network's outputs on the device, as part of what is deployed."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from blockfront.design_space.cost import count_cost
from blockfront.results.cost import Cost
from blockfront.signature import Input, Signature
from blockfront.tasks import TASKS


def with_postprocess(network: nn.Module, task: str) -> nn.Module:
    """The network followed by its task's post-processing, in evaluation mode; itself where the task has none."""
    postprocess = TASKS[task].postprocess
    if postprocess is None:
        return network
    return nn.Sequential(OrderedDict(network=network, postprocess=postprocess)).eval()


def postprocess_cost(task: str, outputs: int) -> Cost:
    """The cost of a task's post-processing of one image's outputs."""
    postprocess = TASKS[task].postprocess
    if postprocess is None:
        return Cost(0, 0, 0)
    return count_cost(postprocess, Signature((Input("outputs", (1, outputs)),)))

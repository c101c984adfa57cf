"""Trainings that end in the middle, and go on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from blockfront.training import Recipe, get_dataset, train
from blockfront.training.checkpoint import ABANDONED_DAYS, load_checkpoint

Build = Callable[[int], nn.Module]
PLAIN = Recipe(epochs=3, images=320)
RECIPES = {
    "plain": PLAIN,
    "averaged and mixed": replace(PLAIN, optimizer="adamw", ema=0.9, mixup=0.2, cutmix=1.0, random_erasing=0.5),
}
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
from blockfront.training import Recipe, get_dataset, train

def end(epoch, epochs, value):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

torch.manual_seed(0)
layers = []
for inside, outside in ((3, 16), (16, 32), (32, 32)):
    layers += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
where = dict(resolution=8, device="cpu", on_epoch=end, checkpoint=Path(sys.argv[1]))
train(net, get_dataset("digits"), Recipe(epochs=3, images=320), **where)
"""


class Stopped(Exception):
    """What ends a training in these tests."""


def _trained(net: nn.Module, recipe: Recipe, checkpoint: Path | None = None, stop: int = 0) -> list[object]:
    """All that a training gives: its curve, scores and weights, as values that compare bit for bit."""

    def end(epoch: int, epochs: int, value: float) -> None:
        if epoch == stop:
            raise Stopped

    digits = get_dataset("digits")
    found = train(net, digits, recipe, resolution=8, device="cpu", seed=4, checkpoint=checkpoint, on_epoch=end)
    return [found.curve, found.scores, [value.tolist() for value in net.state_dict().values()]]


def _other(net: nn.Module) -> nn.Module:
    """The same network with other weights, as nobody would train it."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    return net


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("stop", [1, 3])
def test_a_training_that_was_stopped_ends_to_the_last_bit_as_if_it_had_not_been(
    small_net: Build, tmp_path: Path, recipe: Recipe, stop: int
) -> None:
    file = tmp_path / "training.pt"
    with pytest.raises(Stopped):
        _trained(small_net(10), recipe, file, stop)
    assert _trained(_other(small_net(10)), recipe, file) == _trained(small_net(10), recipe)


@pytest.mark.processes
def test_a_killed_process_costs_the_epoch_that_it_was_in(small_net: Build, tmp_path: Path) -> None:
    file = tmp_path / "training.pt"
    assert subprocess.run([sys.executable, "-c", KILLED, str(file)]).returncode == -9
    kept = load_checkpoint(file)
    assert kept is not None
    assert len(kept["curve"]) == 2
    net, digits = _other(small_net(10)), get_dataset("digits")
    again = train(net, digits, PLAIN, resolution=8, device="cpu", checkpoint=file)
    undisturbed = train(whole := small_net(10), digits, PLAIN, resolution=8, device="cpu")
    assert (again.curve, again.scores) == (undisturbed.curve, undisturbed.scores)
    assert all(torch.equal(one, two) for one, two in zip(net.parameters(), whole.parameters(), strict=True))
    assert again.seconds > kept["seconds"]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_checkpoint_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "training.pt").write_bytes(content)
    assert load_checkpoint(tmp_path / "training.pt") is None
    assert load_checkpoint(tmp_path / "missing.pt") is None


def test_a_folder_that_takes_no_checkpoint_does_not_end_the_training(small_net: Build, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _trained(small_net(10), replace(PLAIN, epochs=1), tmp_path / "file" / "training.pt")


def test_a_checkpoint_of_another_network_is_passed_over(small_net: Build, tmp_path: Path) -> None:
    file, once = tmp_path / "training.pt", replace(PLAIN, epochs=1)
    _trained(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), once, file)
    assert _trained(small_net(10), once, file) == _trained(small_net(10), once)


def test_checkpoints_that_nobody_came_back_to_go(small_net: Build, tmp_path: Path) -> None:
    old, new = tmp_path / "old.pt", tmp_path / "new.pt"
    old.touch()
    then = time.time() - (ABANDONED_DAYS + 1) * 86400
    os.utime(old, (then, then))
    _trained(small_net(10), replace(PLAIN, epochs=1), new)
    assert (old.exists(), new.exists()) == (False, True)

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from blockfront.errors import RunError, UsageError
from blockfront.results import Training
from blockfront.training import Dataset, Recipe, Source, Tensors, evaluate, get_dataset, seeded, train
from blockfront.training.digits import digits_split
from blockfront.training.loop import Criterion
from blockfront.training.optimizing import make_scheduler
from blockfront.training.recipe import Schedule

Build = Callable[[int], nn.Module]
SHORT = Recipe(epochs=5)
REPEAT = """
import torch
from torch import nn
from blockfront.training import Recipe, get_dataset, seeded, train

with seeded(3):
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
    net(torch.zeros(2, 3, 16, 16))
accuracy = train(net, get_dataset("digits"), Recipe(epochs=1), resolution=16, device="cpu", seed=3)
print(accuracy.curve, accuracy.scores["top5"].value, sum(p.double().sum().item() for p in net.parameters()).hex())
"""


class Broken(nn.Module):
    """A network whose outputs are not numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) @ self.weight * float("nan")


def test_a_network_learns_digits(small_net: Build) -> None:
    accuracy = train(small_net(10), get_dataset("digits"), SHORT, resolution=24, device="cpu")
    assert accuracy.scores["top1"].value > 0.9
    assert accuracy.scores["top1"].value == accuracy.curve[-1] > accuracy.curve[0]
    assert accuracy.scores["top1"].value <= accuracy.scores["top5"].value <= 1
    assert (accuracy.test_images, accuracy.epochs, accuracy.seed) == (450, 5, 0)
    assert (accuracy.dataset, accuracy.recipe_hash, accuracy.source) == ("digits", SHORT.hash, "trained")
    assert msgspec.convert(msgspec.to_builtins(accuracy), Training) == accuracy


def test_a_networks_own_loss_is_what_is_minimised(small_net: Build) -> None:
    net, digits, recipe = small_net(10), get_dataset("digits"), replace(SHORT, epochs=1)
    criteria: set[float] = set()

    def nothing(images: torch.Tensor, labels: torch.Tensor, criterion: Criterion) -> torch.Tensor:
        criteria.add(float(criterion(net(images), labels).detach()))
        return 0 * net(images).sum()

    before = [parameter.detach().clone() for parameter in net.parameters()]
    train(net, digits, replace(recipe, weight_decay=0.0), resolution=8, device="cpu", loss=nothing)
    assert all(torch.equal(now, then) for now, then in zip(net.parameters(), before, strict=True))
    assert len(criteria) > 1


def test_a_network_taught_shuffled_labels_learns_nothing(
    small_net: Build, register: Callable[[Source], Source]
) -> None:
    def shuffled(dataset: Dataset) -> tuple[Tensors, Tensors]:
        learn, test = digits_split()
        order = torch.randperm(len(learn), generator=torch.Generator().manual_seed(0))
        return Tensors(learn.images, learn.labels[order]), test

    register(Source("shuffled", "Control", "made here", shuffled, num_classes=10, resolution=24))
    assert train(small_net(10), get_dataset("shuffled"), SHORT, device="cpu").scores["top1"].value < 0.25


def test_accuracy_is_counted_as_a_person_would(small_net: Build) -> None:
    net = small_net(10)
    accuracy = evaluate(net, get_dataset("digits"), resolution=8, device="cpu")
    learn, test = digits_split()
    with torch.no_grad():
        logits = net.eval()(((test.images - learn.images.mean()) / learn.images.std()).expand(-1, 3, -1, -1))
    ranks = (logits > logits.gather(1, test.labels[:, None])).sum(1)
    assert accuracy.scores["top1"].value == pytest.approx((ranks < 1).float().mean().item())
    assert accuracy.scores["top5"].value == pytest.approx((ranks < 5).float().mean().item())
    assert (accuracy.source, accuracy.epochs, accuracy.curve) == ("checkpoint", 0, ())


def test_evaluating_a_trained_network_gives_the_accuracy_it_was_trained_to(small_net: Build) -> None:
    net, digits = small_net(10), get_dataset("digits")
    trained = train(net, digits, replace(SHORT, epochs=1), resolution=16, device="cpu")
    again = evaluate(net, digits, resolution=16, device="cpu")
    assert (again.scores["top1"].value, again.scores["top5"].value) == (
        trained.scores["top1"].value,
        trained.scores["top5"].value,
    )


@pytest.mark.processes
def test_two_processes_train_the_same_network_to_the_last_bit(capsys: pytest.CaptureFixture[str]) -> None:
    other = subprocess.run([sys.executable, "-c", REPEAT], capture_output=True, text=True, check=True).stdout
    exec(REPEAT, {})
    assert capsys.readouterr().out == other


def test_another_seed_gives_another_run(small_net: Build) -> None:
    digits, recipe = get_dataset("digits"), replace(SHORT, epochs=1)
    sums = set()
    for seed in (0, 1):
        net = small_net(10)
        train(net, digits, recipe, resolution=8, device="cpu", seed=seed)
        sums.add(sum(float(p.detach().sum()) for p in net.parameters()))
    assert len(sums) == 2


def test_training_leaves_threads_generators_and_mode_as_they_were(small_net: Build) -> None:
    net = small_net(10).eval()
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())
    threads = torch.get_num_threads()
    train(net, get_dataset("digits"), replace(SHORT, epochs=1), resolution=8, device="cpu", threads=1, seed=5)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]
    assert torch.get_num_threads() == threads
    assert not net.training
    assert all(p.is_contiguous() for p in net.parameters())


def test_seeded_uses_its_threads_inside_and_restores_them_after_an_error() -> None:
    threads = torch.get_num_threads()
    state = torch.get_rng_state()
    inside: list[int] = []

    def work() -> None:
        with seeded(1, threads=2):
            inside.append(torch.get_num_threads())
            torch.rand(3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert inside == [2]
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_each_epoch_is_reported_as_it_ends(small_net: Build) -> None:
    calls: list[tuple[int, int, float]] = []
    accuracy = train(
        small_net(10),
        get_dataset("digits"),
        replace(SHORT, epochs=2),
        resolution=8,
        device="cpu",
        on_epoch=lambda *call: calls.append(call),
    )
    assert calls == [(1, 2, accuracy.curve[0]), (2, 2, accuracy.curve[1])]


def test_a_diverging_network_fails_with_the_epoch_and_the_learning_rate() -> None:
    with pytest.raises(RunError, match=r"diverged in epoch 1 of 5 \(loss is nan\); lower the learning rate"):
        train(Broken(), get_dataset("digits"), SHORT, resolution=8, device="cpu")


def test_outputs_that_are_no_numbers_are_no_accuracy() -> None:
    with pytest.raises(RunError, match="not finite"):
        evaluate(Broken(), get_dataset("digits"), resolution=8, device="cpu")


def test_a_network_for_another_number_of_classes_is_refused(small_net: Build) -> None:
    with pytest.raises(UsageError, match=r"shape \(32, 1000\).*build it with num_classes=10"):
        train(small_net(1000), get_dataset("digits"), SHORT, resolution=8, device="cpu")


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "meta"])
def test_a_device_that_is_not_there_is_refused(small_net: Build, device: str) -> None:
    with pytest.raises(UsageError, match="take"):
        train(small_net(10), get_dataset("digits"), SHORT, resolution=8, device=device)


@pytest.mark.parametrize("change", [{"optimizer": "sgd"}, {"optimizer": "rmsproptf"}, {"clip_grad": 1.0}])
@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_other_optimizers_and_schedules_learn_too(small_net: Build, change: dict[str, Any], schedule: Schedule) -> None:
    recipe = Recipe(**{"epochs": 2, "schedule": schedule, **change})
    assert train(small_net(10), get_dataset("digits"), recipe, resolution=16, device="cpu").scores["top1"].value > 0.3


@pytest.mark.parametrize("wrong", [{"resolution": 0}, {"workers": -1}])
def test_a_number_out_of_range_is_refused_by_name(small_net: Build, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} must be"):
        train(small_net(10), get_dataset("digits"), SHORT, device="cpu", **wrong)


@pytest.mark.parametrize("threads", [0, 100_000])
def test_more_threads_than_cores_are_refused(small_net: Build, threads: int) -> None:
    with pytest.raises(UsageError, match="threads must be from 1"):
        train(small_net(10), get_dataset("digits"), SHORT, resolution=8, device="cpu", threads=threads)


def test_the_learning_rate_climbs_to_its_peak_and_falls_to_a_hundredth() -> None:
    recipe = Recipe(lr=1.0, epochs=10, warmup=0.1, schedule="cosine")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make_scheduler(optimizer, recipe, steps=20)
    rates = []
    for step in range(200):
        scheduler.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.01)
    assert rates[:20] == sorted(rates[:20])
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[100] == pytest.approx((1 + 0.01) / 2)
    assert rates[-1] == pytest.approx(0.01, abs=0.001)

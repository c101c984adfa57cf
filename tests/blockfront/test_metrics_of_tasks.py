"""What networks are weighed by is of their own task, wherever a command asks for it or says it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from blockfront.analysis import Objectives, answer_lines, choose_network, render_report, tidy
from blockfront.analysis.headline import unpruned_sentence
from blockfront.commands.options import objectives, require_metrics
from blockfront.design_space import Network
from blockfront.design_space.known import known_network
from blockfront.errors import UsageError
from blockfront.results import METRICS
from blockfront.services.accuracy import Accuracies
from blockfront.study.text_table import caption
from blockfront.sweep.aims import choose_objectives
from blockfront.tasks import TASKS
from blockfront.training import pack_weights
from tests.design_space.test_kinds import TEXTS

OF_TASK = {Network.parse(text).task: text for text in TEXTS if not text.startswith("known")}
FOUND = [key for key, metric in METRICS.items() if metric.found]


def studied(task: str, *values: float, **columns: object) -> pd.DataFrame:
    """Networks of a task with a latency, and with values of it where there are any."""
    rows = [
        {
            "study": f"{task}s",
            "state": "complete",
            "network": OF_TASK[task],
            "network_id": f"{task}{number}",
            "family": "er",
            "target": "rk3399",
            "latency_source": "predicted",
            "latency_ms": 1.0 + number,
            "accuracy_source": "file",
            TASKS[task].value: value,
            **columns,
        }
        for number, value in enumerate(values)
    ]
    return tidy(pd.DataFrame(rows))


def untrained(task: str) -> Any:
    definition: dict[str, str] = {} if task == "classification" else {"task": task}
    return SimpleNamespace(objectives=("latency_ms",), space_definition=definition)


@pytest.mark.parametrize("task", list(OF_TASK))
def test_a_study_without_training_is_weighed_by_its_own_task(task: str) -> None:
    value = TASKS[task].value
    assert objectives(None, None, [untrained(task)]).value == value
    page = render_report(studied(task, float("nan")), objectives=objectives(None, None, [untrained(task)]))
    noun = METRICS[value].noun
    assert f"No {noun} yet" in page
    listed: Any = SimpleNamespace(objectives=("latency_ms",), space_definition={"kind": "listed"})
    assert objectives(None, None, [listed], [studied(task, 0.3)]).value == value


@pytest.mark.parametrize("task", list(OF_TASK))
def test_a_metric_of_no_network_is_refused_and_those_they_have_are_named(task: str) -> None:
    frame, value = studied(task, 0.3, 0.4), TASKS[task].value
    require_metrics(frame, "latency_ms", value, None)
    for other in {one.value for one in TASKS.values()} - {value}:
        with pytest.raises(UsageError, match=rf"^no network of {task}s has {other}: take one of .*\b{value}\b"):
            require_metrics(frame, None, other)
    for cost in FOUND:
        with pytest.raises(UsageError, match=rf"^no network of {task}s has {cost}: take one of latency_ms"):
            require_metrics(frame, cost, None)
    require_metrics(frame.assign(state="running"), *FOUND)


@pytest.mark.parametrize("task", list(OF_TASK))
@pytest.mark.parametrize("cost", FOUND)
def test_what_trained_networks_find_is_no_cost_of_a_sweep(task: str, cost: str) -> None:
    request: Any = SimpleNamespace(cost=cost, value=None)
    dataset: Any = SimpleNamespace(task=task)
    said = f"--cost {cost}.*bench report" if TASKS[task].places == "boxes" else f"{task} gives no {cost}, which is of"
    with pytest.raises(UsageError, match=said):
        choose_objectives(request, dataset)
    with pytest.raises(UsageError, match=f"--cost {cost}"):
        choose_objectives(request, None)


@pytest.mark.parametrize("task", list(OF_TASK))
def test_accuracies_of_a_file_are_those_of_the_task(task: str, tmp_path: Any) -> None:
    """Of a text and of a file of weights alike; the answer and what it stands beside call them so."""
    value = TASKS[task].value
    network = Network.parse(OF_TASK[task])
    weights = tmp_path / "trained.safetensors"
    weights.write_bytes(pack_weights(network.build(), {"network": str(network)}))
    known = known_network(str(weights))
    assert (known.purpose, known.family) == (task, network.family)
    for column in ("accuracy", value):
        (tmp_path / "own.csv").write_text(f"name,{column}\n{OF_TASK[task]},30\n{weights},40\n")
        accuracies = Accuracies(str(tmp_path / "own.csv"))
        assert accuracies.value_of([network, known]) == value
        given = accuracies.of([network, known]).trainings
        assert {name: one.scores[value].value for name, one in given.items()} == {network.id: 0.3, known.id: 0.4}
    (tmp_path / "own.csv").write_text(f"name,{'ap' if value != 'ap' else 'top1'}\n{network},30\n")
    with pytest.raises(UsageError, match=rf"is for {task}, which is compared by {value}$"):
        Accuracies(str(tmp_path / "own.csv")).value_of([network])
    table, weighed = studied(task, 0.3, 0.4), Objectives("latency_ms", value)
    first, runner_up, *_ = answer_lines(choose_network(table, objectives=weighed), table, None, weighed)
    metric = METRICS[value]
    assert f"{task}1 is the most accurate of 2 networks" in first
    assert f"{metric.text(0.4)} {metric.short} (file: )" in first
    assert metric.text(0.3) in runner_up


def test_networks_for_several_tasks_have_no_accuracy_in_common() -> None:
    networks = [Network.parse(text) for text in OF_TASK.values()]
    with pytest.raises(UsageError, match=r"no accuracy compares networks for several tasks .* give --accuracy none"):
        Accuracies("imagenet").value_of(networks)
    assert Accuracies("none").value_of(networks) in METRICS


def test_a_table_for_readers_says_what_a_latency_is_for() -> None:
    told = caption(studied("segmentation", 0.3, answer="labels 8 × 8"))
    assert "answer: labels 8 × 8" in told
    told = caption(studied("detection", 0.3, toolchain="onnxruntime", postprocess_toolchain="tvm"))
    assert "toolchain: onnxruntime; postprocess toolchain: tvm" in told


def test_a_report_says_what_a_latency_is_for_and_counts_one_thing_as_one() -> None:
    for task, columns, said in (
        ("segmentation", {"answer": "labels 8 × 8"}, "labels 8 × 8: its latency ends there."),
        ("detection", {"postprocess_ms": 1.0, "postprocess_toolchain": "tvm"}, "1 trained network gave"),
    ):
        frame = studied(task, 0.3, dataset="few", epochs=1, test_images=1, resolution=32, threads=1, **columns)
        page = render_report(frame, objectives=Objectives("latency_ms", TASKS[task].value))
        assert said in page
        assert "few, 1 test image, input of 32 pixels, 1 epoch, file" in page


def test_detectors_that_nothing_was_pruned_from_are_counted() -> None:
    frame = studied("detection", 0.01, 0.3, parent=None)
    beside = frame.iloc[[1]].assign(network_id="less", parent="detection1")
    (told,) = unpruned_sentence(pd.concat([frame, beside]), 0.02)
    assert told.startswith("No pruned one stands beside 1 of 2 detectors: no more than 0.02 AP to lose")
    assert unpruned_sentence(pd.concat([frame.iloc[[1]], beside]), 0.02) == []
    assert unpruned_sentence(frame, None) == []

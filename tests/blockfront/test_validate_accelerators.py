"""`bench validate accelerators`: published names to networks, ranks and errors, and what rows state of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from torch import nn

from blockfront.console.progress import choose_progress
from blockfront.errors import RunError, UsageError
from blockfront.results.latency import Prediction
from blockfront.signature import Input, Signature
from blockfront.targets import HARDWARE, Asked, Predicts, choose, find_hardware
from blockfront.targets.latency.accelerators import judgements
from blockfront.targets.latency.accelerators.fitted import fitted_ms
from blockfront.targets.latency.accelerators.judgements import JUDGEMENTS, find_judgement
from blockfront.targets.latency.accelerators.workload import make_workload
from blockfront.validation import accelerators
from blockfront.validation.accelerators import (
    NPU_COLUMNS,
    OWN_NPUS,
    judgement_of,
    read_npu_rows,
    validate_accelerators,
)
from blockfront.validation.npu_fitting import fit_rates, fitted_on
from blockfront.validation.npu_networks import SAME, UNMATCHED, npu_model
from blockfront.validation.prediction_errors import accuracy
from blockfront.validation.st_networks import ST_NETWORKS

CORAL = "Coral USB Accelerator (desktop host, USB 3)"
ROWS = [
    (CORAL, "int8", "MobileNet v1", "224x224x3", 2.0),
    (CORAL, "int8", "MobileNet v2", "224x224x3", 4.0),
    (CORAL, "int8", "VGG16", "not stated", 8.0),
    (CORAL, "int8", "DenseNet", "224x224x3", 20.0),
    ("Hailo-8", "int8 (a few layers int4/int16)", "resnet_v1_18", "224x224x3", 0.4),
    ("Jetson Nano", "fp16", "torchvision resnet18", "1x3x224x224", 11.4),
    ("STM32N6570-DK", "float", "mobilenetv2_a050", "224x224x3", 10.0),
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "npus.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NPU_COLUMNS)
        for device, precision, model, size, ms in ROWS:
            writer.writerow((device, "chip", "software", precision, model, size, ms, "nowhere"))
    return path


@pytest.fixture
def simulated(monkeypatch):
    """What ZigZag would say: 1 ms for each GMAC or so, by the network's name."""
    times = {"mobilenetv1_100": 4.0, "mobilenetv2_100": 6.0, "vgg16": 4.0, "resnet18": 1.0}

    def profile(model, means, progress):
        return {"latency_ms": times[model.name], "input": "3x224x224", "macs": 10**9, "params": 10**6}

    monkeypatch.setattr(accelerators, "profile_model", profile)


def reports_of(path):
    rows, _ = read_npu_rows(path)
    return validate_accelerators(rows, ["edge_tpu_like"], choose_progress(quiet=True))


def test_rows_without_a_network_say_why(table):
    rows, left = read_npu_rows(table)
    assert [(row.network, row.resolution) for row in rows] == [
        ("mobilenetv1_100", 224),
        ("mobilenetv2_100", 224),
        ("vgg16", None),
        ("resnet18", 224),
    ]
    assert left == {
        f"{CORAL}: DenseNet": "its depth is not stated",
        "Jetson Nano: torchvision resnet18": "no device of Coral, STM32N6, Hailo, Dragonwing RB3 Gen 2",
        "STM32N6570-DK: mobilenetv2_a050": "float, where the models are of int8",
    }


def test_a_model_has_errors_against_its_own_chip_and_ranks_elsewhere(table, simulated):
    """Ratios of 2, 1.5 and 0.5: errors of 1, 0.5 and 0.5."""
    pytest.importorskip("zigzag")
    coral, hailo = reports_of(table)
    assert (coral.like, coral.n, coral.errors.median_abs_error) == (True, 3, pytest.approx(0.5))
    assert coral.errors.geomean_ratio == pytest.approx(1.5 ** (1 / 3))
    assert coral.spearman == pytest.approx(0.0)
    assert (hailo.like, hailo.throughput, hailo.errors, hailo.spearman) == (False, True, None, None)
    assert judgement_of(hailo) is None


def test_rows_state_the_error_of_a_model_that_was_judged(table, simulated, monkeypatch, tmp_path):
    pytest.importorskip("zigzag")
    means = choose(Asked(find_hardware("edge_tpu_like")), "zigzag", "simulated")
    assert isinstance(means.meter, Predicts)
    monkeypatch.setattr(judgements, "JUDGEMENTS", tmp_path / "judgements.json")
    judgements.write_judgements([], tmp_path / "judgements.json")
    before = means.meter.prediction(means.options)
    assert isinstance(before, Prediction)
    assert (before.median_error, before.n) == (None, 0)
    assert "never compared with a device" in before.basis
    found = judgement_of(reports_of(table)[0])
    judgements.write_judgements([found], tmp_path / "judgements.json")
    after = means.meter.prediction(means.options)
    assert (after.model, after.n, after.median_error) == (before.model, 3, pytest.approx(0.5))
    assert f"3 networks published for {CORAL}" in after.basis
    assert "simulated / published 1.14, from 0.50 to 2.00, Spearman 0.00" in after.basis
    other = replace(find_hardware("edge_tpu_like"), clock_ghz=1.0)
    changed = choose(Asked(other), "zigzag", "simulated")
    assert "never compared with a device" in changed.meter.prediction(changed.options).basis


@pytest.mark.parametrize(("target", "device"), [("edge_tpu_like", "Coral"), ("stm32n6_like", "STM32N6")])
def test_what_ships_says_what_its_networks_say(target, device):
    """The statistics again, from the published and simulated times beside them; those published are in the table."""
    published = {
        row["model"]: float(row["latency_ms"]) for row in csv.DictReader(OWN_NPUS.open()) if device in row["device"]
    }
    (kept,) = (one for one in json.loads(JUDGEMENTS.read_text()) if one["target"] == target)
    assert {name.partition(" (")[0]: pair[0] for name, pair in kept["networks"].items()}.items() <= published.items()
    found = accuracy([pair[1] for pair in kept["networks"].values()], [pair[0] for pair in kept["networks"].values()])
    assert found.median_abs_error == pytest.approx(kept["median_error"])
    assert found.p90_abs_error == pytest.approx(kept["p90_error"])
    assert found.within_tenth == pytest.approx(kept["within_tenth"])
    assert found.spearman == pytest.approx(kept["spearman"])


def test_the_shipped_judgement_is_of_the_model_as_it_is():
    pytest.importorskip("zigzag")
    means = choose(Asked(find_hardware("edge_tpu_like")), "zigzag", "simulated")
    prediction = means.meter.prediction(means.options)
    assert find_judgement("edge_tpu_like", prediction.model) is not None
    assert prediction.n == 9


def test_rows_of_a_fitted_model_state_its_error_on_what_it_was_not_fitted_on():
    prediction = choose(Asked(find_hardware("stm32n6_like"))).prediction
    kept = find_judgement("stm32n6_like", prediction.model)
    rows = [row for row in read_npu_rows(OWN_NPUS)[0] if row.device == "STM32N6570-DK"]
    fitted = fitted_on([row.published for row in rows])
    assert {name.partition(" (")[0] for name in kept.networks} == {row.published for row in rows} - fitted
    assert (prediction.n, kept.others) == (13, 14)
    assert "of which nothing was fitted but 14 others" in prediction.basis


def test_a_fitted_model_is_judged_by_what_is_new_and_a_refused_network_is_named(tmp_path, monkeypatch):
    """proxylessnas is held out, semnasnet100 was fitted on, and Coral's rows are another chip's."""
    published = {"proxylessnas": 20.0, "semnasnet100": 40.0, "squeezenetv10": 50.0}
    path = tmp_path / "st.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                NPU_COLUMNS,
                (CORAL, "chip", "software", "int8", "MobileNet v1", "224x224x3", 2.0, "nowhere"),
                *(
                    ("STM32N6570-DK", "", "", "int8", name, "224x224x3", ms, "nowhere")
                    for name, ms in published.items()
                ),
            ]
        )

    def profile(model, means, progress):
        if "squeezenet" in model.name:
            raise RunError("too slow")
        return {"latency_ms": 10.0, "input": "3x224x224", "macs": 10**9, "params": 10**6}

    monkeypatch.setattr(accelerators, "profile_model", profile)
    found = validate_accelerators(read_npu_rows(path)[0], ["stm32n6_like"], choose_progress(quiet=True))
    assert [(one.fitted, [point.published for point in one.points]) for one in found] == [
        (False, ["proxylessnas"]),
        (True, ["semnasnet100"]),
    ]
    assert found[0].errors.median_abs_error == pytest.approx(0.5)
    assert found[0].skipped == {"squeezenetv10": "too slow"}
    assert judgement_of(found[0]).others == 14
    assert judgement_of(found[1]) is None


FLASH_KIB = {
    "st_resnet_pico": 607.27,
    "preresnet18_quarter": 3843.64,
    "fdmobilenet_025": 377,
    "fdmobilenet_050": 973,
    "mobilenet_025": 469,
}
"""Weights in the flash, as ST's tables have them."""


@pytest.mark.parametrize("name", FLASH_KIB)
def test_networks_of_sts_own_have_the_weights_that_its_tables_state(name):
    weights = sum(one.numel() for one in ST_NETWORKS[name]().parameters())
    assert weights / 1024 == pytest.approx(FLASH_KIB[name], rel=0.03)


def test_fitting_finds_the_rates_that_made_the_latencies():
    wide, deep = nn.Conv2d(8, 64, 3), nn.Conv2d(8, 8, 3, groups=8)
    modules = [nn.Linear(8 * 64, 64), wide, deep, nn.Sequential(deep, nn.MaxPool2d(2)), nn.Sequential(wide, Mean())]
    shapes = [(1, 512), *[(1, 8, 32, 32)] * 4]
    workloads = [
        make_workload(module.eval(), Signature((Input("image", shape, "float32"),)))
        for module, shape in zip(modules, shapes, strict=True)
    ]
    true = replace(HARDWARE["stm32n6_like"], weights_gbs=0.5, grouped_gbs=2.0, moves_gbs=0.25, processor_ns=12.0)
    found = fit_rates(HARDWARE["stm32n6_like"], [(one, fitted_ms(one, true)) for one in workloads])
    assert [getattr(found, rate) for rate in found.rates] == pytest.approx([0.5, 2.0, 0.25, 12.0], rel=1e-3)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def test_every_matched_name_is_a_network_and_every_shipped_row_has_a_source():
    assert not set(SAME) & set(UNMATCHED)
    for name in set(SAME.values()):
        npu_model(name, None)
    assert all(row["source"] and float(row["latency_ms"]) > 0 for row in csv.DictReader(OWN_NPUS.open()))


def test_the_report_is_printed_with_what_was_left_out(bench, table, simulated):
    pytest.importorskip("zigzag")
    said = bench("validate", "accelerators", "--data", str(table), "--quiet")
    assert "edge_tpu_like against Coral USB Accelerator" in said.output
    assert "its depth is not stated" in said.output
    found = json.loads(
        bench("validate", "accelerators", "--data", str(table), "--target", "edge_tpu_like", "--quiet", "--json").output
    )
    assert [one["n"] for one in found["devices"]] == [3, 1]


def test_a_table_without_its_columns_is_refused(tmp_path):
    path = tmp_path / "wrong.csv"
    path.write_text("device,latency_ms\nCoral,1\n")
    with pytest.raises(UsageError, match="it lacks chip, software, precision, model, input, source"):
        read_npu_rows(path)

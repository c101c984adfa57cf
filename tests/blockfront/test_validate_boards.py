"""`bench validate boards`: reading tables, what is skipped and why, and that judged rows stay out of their fits."""

import csv
import json
import math
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blockfront.cli import app
from blockfront.errors import UsageError
from blockfront.targets.latency.profiler import Counts, Profile, Region
from blockfront.validation.boards import CasePrediction, observe, predict, report
from blockfront.validation.cases import cases_of
from blockfront.validation.devices import Placement, placement_of
from blockfront.validation.judging import coverage, errors_of, report_threads
from blockfront.validation.ncnn_layers import layers_of
from blockfront.validation.ncnn_macs import count_ncnn_macs
from blockfront.validation.ncnn_networks import NETWORKS
from blockfront.validation.prediction_errors import accuracy
from blockfront.validation.published import COLUMNS, read_published
from blockfront.validation.scaling import report_scaling, scalings

ROW = {
    "device": "NanoPC-T4",
    "chip": "RK3399 (2x Cortex-A72 1.8GHz + 4x Cortex-A53 1.5GHz + Mali-T860MP4)",
    "cores_threads": "1T big cores",
    "framework": "ncnn",
    "precision": "fp32",
    "model": "blazeface",
    "input": "1x3x128x128",
    "latency_ms": "12.48",
    "source": "a table (avg of 8 loops; min 12.28 max 13.0)",
}


def table(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
    return path


def test_the_minimum_is_taken_where_the_source_has_one(tmp_path: Path) -> None:
    first, second = read_published(table(tmp_path / "t.csv", {}, {"source": "a blog"}))
    assert (first.milliseconds, second.milliseconds) == (12.28, 12.48)


@pytest.mark.parametrize("text", ["", "fast", "-1", "0", "nan", "inf"])
def test_a_time_that_is_none_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    path = table(tmp_path / "t.csv", {}, {"latency_ms": text, "source": ""})
    with pytest.raises(UsageError, match=r"line 3: .* is no latency"):
        read_published(path)


def test_a_file_without_the_columns_or_without_existence_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("device,latency_ms\nx,1\n")
    with pytest.raises(UsageError, match="lacks chip, cores_threads"):
        read_published(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_published(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"device": "Toaster", "chip": "T1"}, "Toaster is not known"),
        ({"precision": "int4"}, "int4"),
        (
            {"precision": "int8", "device": "Station P2", "chip": "RK3568", "cores_threads": "1T"},
            "before ncnn had its code",
        ),
        ({"framework": "TensorFlow Lite"}, "measured with TensorFlow Lite"),
        ({"cores_threads": "6T all cores"}, "two kinds"),
        ({"cores_threads": "4T big cores"}, "more threads than its 2"),
        ({"cores_threads": "many"}, "many"),
        ({"model": "my_net"}, "no network of ncnn's benchmark"),
        ({"precision": "fp16 storage+arith"}, "compute nothing in fp16"),
    ],
)
def test_a_row_that_cannot_be_predicted_is_skipped_with_a_reason(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    cases, skipped = cases_of(read_published(table(tmp_path / "t.csv", change)))
    assert not cases
    assert [reason in found for found in skipped] == [True]


def test_a_table_of_unknown_devices_ends_well_and_says_so(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", {"device": "Toaster", "chip": "T1"})
    found = CliRunner().invoke(app, ["validate", "boards", "--data", str(path), "--json", "--quiet"])
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"boards": [], "threads": [], "scaling": []}
    assert "Toaster is not known" in CliRunner().invoke(app, ["validate", "boards", "--data", str(path)]).stdout


def test_settings_name_the_cores_they_ran_on() -> None:
    chip = ROW["chip"]
    big, little = placement_of("NanoPC-T4", chip, "1T big cores"), placement_of("NanoPC-T4", chip, "4T little cores")
    assert isinstance(big, Placement)
    assert isinstance(little, Placement)
    assert (big.target.name, big.threads) == ("rk3399", 1)
    assert (little.target.name, little.threads) == ("rk3399_little", 4)


# Published by the networks' authors, in millions.
@pytest.mark.parametrize(
    ("name", "millions"),
    [("mobilenet_v2", 300), ("mobilenet", 569), ("resnet18", 1820), ("resnet50", 3860), ("vgg16", 15470)],
)
def test_macs_are_those_of_the_papers(name: str, millions: float) -> None:
    network = NETWORKS[name]
    assert count_ncnn_macs(network.param, network.shape[:2]) == pytest.approx(millions * 1e6, rel=0.05)


# How many layers carry which flag in the descriptions of ncnn's own benchmark.
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("squeezenet", {"Convolution 2": 18, "Convolution 102": 8}),
        ("mobilenet", {"Convolution 102": 13, "ConvolutionDepthWise 101": 13, "Convolution 2": 1, "InnerProduct 2": 1}),
        ("googlenet", {"Convolution 2": 38, "Convolution 102": 19}),
        ("resnet18", {"Convolution 2": 13, "Convolution 102": 8}),
        ("resnet50", {"Convolution 2": 21, "Convolution 102": 32}),
        ("vgg16", {"Convolution 102": 8, "Convolution 2": 5, "InnerProduct 2": 3}),
        ("squeezenet_ssd", {"Convolution 2": 35, "Convolution 102": 12}),
        ("mobilenet_ssd", {"Convolution 102": 16, "ConvolutionDepthWise 101": 13, "Convolution 2": 18}),
    ],
)
def test_integer_layers_are_those_of_ncnns_own_quantised_networks(name: str, flags: dict[str, int]) -> None:
    integer, plain = layers_of(NETWORKS[f"{name}_int8"].param), layers_of(NETWORKS[name].param)
    assert Counter(f"{layer.kind} {layer.parameters[8]}" for layer in integer if 8 in layer.parameters) == flags
    assert [(one.kind, one.inputs) for one in integer] == [(one.kind, one.inputs) for one in plain]


def test_times_in_int8_and_others_do_not_reach_each_others_predictions(tmp_path: Path) -> None:
    def predicted(factor: float) -> list[float]:
        models = [name for name in NETWORKS if name.endswith("_int8")]
        rows = [
            {"model": model.removesuffix(end), "latency_ms": str(ms * (i + 1)), "precision": precision, "source": ""}
            for i, model in enumerate(models)
            for end, precision, ms in (("_int8", "fp32", 10), ("", "int8", 10 * factor))
        ]
        cases, skipped = cases_of(read_published(table(tmp_path / "t.csv", *rows)))
        assert not skipped
        profiles = [Profile((Region((Counts(multiply_add=10**7 * (i // 2 + 1)),)),)) for i in range(len(cases))]
        found = predict(observe(cases, profiles))
        assert [(one.int8, one.network.n) for one in report_threads(found, {})] == [(False, 8), (True, 8)]
        return [one.network_ms for one in found if not one.case.int8]

    assert predicted(1) == pytest.approx(predicted(50))


def test_accuracy_is_that_of_its_definition() -> None:
    found = accuracy([1.1, 0.8, 3.0], [1.0, 1.0, 3.0])
    assert found is not None
    assert found.median_abs_error == pytest.approx(0.1)
    assert found.geomean_ratio == pytest.approx((1.1 * 0.8) ** (1 / 3))
    assert accuracy([1.05, 0.8, 3.0, 1.2], [1.0, 1.0, 3.0, 1.0]).within_tenth == 0.5
    assert accuracy([], []) is None


def test_no_published_time_reaches_its_own_prediction(tmp_path: Path) -> None:
    """Ten networks on two boards; one network's times are made absurd, and its predictions stay."""

    def predicted(factor: float) -> dict[tuple[str, str], tuple[float | None, float | None]]:
        rows = []
        for i, model in enumerate(sorted(NETWORKS)[:10]):
            for device, chip in (("Jetson Nano", "NVIDIA Tegra X1"), ("Snapdragon 810 device", "MSM8994")):
                ms = (i + 1) * 10 * (factor if i == 0 else 1)
                rows.append({"device": device, "chip": chip, "model": model, "latency_ms": str(ms), "source": ""})
        cases, _ = cases_of(read_published(table(tmp_path / "t.csv", *rows)))
        names = sorted(NETWORKS)
        profiles = [
            Profile((Region((Counts(multiply_add=10**7 * (names.index(case.network.name) + 1)),)),)) for case in cases
        ]
        found = predict(observe(cases, profiles))
        return {(one.case.published.device, one.case.network.name): (one.network_ms, one.board_ms) for one in found}

    name = sorted(NETWORKS)[0]
    sane, absurd = predicted(1), predicted(50)
    for device in ("Jetson Nano", "Snapdragon 810 device"):
        assert absurd[device, name][0] == pytest.approx(sane[device, name][0], rel=0.01)


def test_a_report_has_an_entry_a_board_and_setting(tmp_path: Path) -> None:
    rows = [{"model": model, "latency_ms": str(10 + i), "source": ""} for i, model in enumerate(sorted(NETWORKS)[:4])]
    cases, _ = cases_of(read_published(table(tmp_path / "t.csv", *rows)))
    profiles = [Profile((Region((Counts(multiply_add=10**7 * (i + 1)),)),)) for i in range(4)]
    (entry,) = report(predict(observe(cases, profiles)), {})
    assert (entry.target, entry.n, entry.precision) == ("rk3399", 4, "fp32")
    assert entry.spearman_macs is not None


BOARDS = {
    "Raspberry Pi 3B+": "BCM2837B0",
    "OrangePi Zero 2": "Allwinner H616",
    "RDK X3 Module": "Horizon Sunrise X3",
    "EAIDK 310": "RK3228H",
}


def predictions(tmp_path: Path, ratios: dict[str, float], threads: int = 4) -> list[CasePrediction]:
    """Ten networks of 10 ms each on boards with a Cortex-A53; a board's predictions are 10 ms times its ratio."""
    models = sorted(NETWORKS)[:10]
    setting = {"cores_threads": f"{threads}T all cores", "latency_ms": "10", "source": ""}
    rows = [
        {**setting, "device": device, "chip": BOARDS[device], "model": model} for device in ratios for model in models
    ]
    cases, skipped = cases_of(read_published(table(tmp_path / "t.csv", *rows)))
    assert not skipped
    return [
        CasePrediction(case, 10 * ratios[case.published.device], 10 * ratios[case.published.device]) for case in cases
    ]


def test_an_interval_is_from_the_errors_on_all_other_boards(tmp_path: Path) -> None:
    found = predictions(tmp_path, dict(zip(BOARDS, (1.0, 1.1, 1.2, 2.0), strict=True)))
    covered = coverage(found)
    by_board = {one.case.published.device: covered[id(one)] for one in found}
    assert list(by_board.values()) == [True, True, True, False]
    (last,) = (one for one in report(found, covered) if one.device == "EAIDK 310")
    assert last.coverage == 0
    (all_four,) = report_threads(found, covered)
    assert (all_four.threads, all_four.board.n, all_four.coverage) == (4, 40, 0.75)


def test_the_errors_of_a_core_say_threads_times_and_boards(tmp_path: Path) -> None:
    found = predictions(tmp_path, dict(zip(BOARDS, (1.0, 1.1, 1.2, 2.0), strict=True)))
    new, known = errors_of("cortex-a53", found, ("rpi3bplus",))
    assert (new.threads, new.n, new.fastest_ms, new.slowest_ms, new.board_known) == (4, 40, 10, 10, False)
    assert math.exp(new.spread) == pytest.approx(2)
    assert (known.n, known.boards, known.spread) == (10, ("rpi3bplus",), 0)
    (other,) = errors_of("cortex-a72", found, ())
    assert "several cores" in other.domain


def test_scaling_is_judged_network_by_network(tmp_path: Path) -> None:
    one = predictions(tmp_path, {"EAIDK 310": 2.0}, threads=1)
    four = predictions(tmp_path, {"EAIDK 310": 0.8})
    (entry,) = report_scaling(scalings([*one, *four]))
    assert (entry.fewer, entry.more, entry.n) == (1, 4, 10)
    assert (entry.published, entry.predicted, entry.bias) == pytest.approx((1.0, 2.5, 2.5))
    assert entry.median_abs_error == pytest.approx(1.5)

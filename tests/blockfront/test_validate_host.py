"""`bench validate host`: which networks it takes, what it keeps of them, and how it judges."""

import math
import xml.etree.ElementTree as ET
from collections import Counter

import msgspec
import pytest

from blockfront.targets import get_target
from blockfront.targets.compiler.program import Kernel
from blockfront.targets.latency.calibration import Calibration, Measured
from blockfront.targets.latency.prediction import Coefficients, CoreModel
from blockfront.targets.latency.profiler import Counts, Profile, Region
from blockfront.validation.host import judge
from blockfront.validation.operators import operator_of
from blockfront.validation.records import KernelRecord, Measurement, Profiles, keep_record, read_records
from blockfront.validation.scatter import MARGIN, SIDE, scatter_svg
from blockfront.validation.subjects import MODELS, find_subjects

# One cycle a multiply-add and nothing else: at 1 GHz a million of them take a millisecond.
COEFFICIENTS = Coefficients(multiply_add=1, other=0, word=0, l1_line=0, memory_line_ns=0, transfer=0)


def calibration(target):
    measured = Measured("here", 1, "2026-01-01", {}, {}, (), (1.0,), 1_000_000)
    return Calibration(target.name, 1.0, CoreModel("core", COEFFICIENTS, "calibrated on here"), measured, ())


def network(name, family, macs, measured_ms, kernels):
    """Records of a network whose kernels are (symbol, operator, calls, measured ms, predicted ms)."""
    rows = tuple(KernelRecord(symbol, operator, calls, 1, ms) for symbol, operator, calls, ms, _ in kernels)
    profiles = {
        symbol: Profile((Region((Counts(multiply_add=round(1e6 * predicted)),)),)) for symbol, *_, predicted in kernels
    }
    samples = ((measured_ms * 1.5, measured_ms), (measured_ms, measured_ms * 1.1, measured_ms * 0.9))
    return Measurement(name, family, "code", macs, "here", samples, rows), Profiles(name, "code", profiles)


def judged(*networks):
    target = get_target("rk3399")
    measured = {one.network: one for one, _ in networks}
    profiled = {one.network: one for _, one in networks}
    return judge(target, 1, calibration(target), measured, profiled)


def test_a_network_is_predicted_by_the_sum_of_its_kernels_calls():
    found = judged(network("a", "ds", 1, 10.0, [("k", "pooling", 3, 2.0, 2.0), ("l", "pooling", 1, 3.0, 5.0)]))
    (point,) = found.network_points
    assert (point.measured_ms, point.predicted_ms) == (10.0, pytest.approx(11.0))
    assert found.sum_over_whole == pytest.approx(9.0 / 10.0)
    assert found.networks.median_abs_error == pytest.approx(0.1)


def test_a_bias_against_a_family_and_an_operator_shows():
    fair = network("a", "ds", 1, 10.0, [("k", "pooling", 1, 10.0, 10.0)])
    wrong = network("b", "ir", 1, 10.0, [("l", "element-wise", 1, 10.0, 20.0)])
    found = judged(fair, wrong)
    assert found.families["ds"].geomean_ratio == pytest.approx(1.0)
    assert found.families["ir"].geomean_ratio == pytest.approx(2.0)
    assert found.operators["element-wise"].median_abs_error == pytest.approx(1.0)
    assert found.networks.geomean_ratio == pytest.approx(math.sqrt(2))


def test_kernels_that_networks_share_count_once():
    found = judged(*(network(name, "ds", 1, 1.0, [("k", "pooling", 1, 1.0, 1.0)]) for name in "abc"))
    assert found.operators["pooling"].n == 1


def test_ranks_are_compared_inside_the_range_of_macs():
    inside = [(150e6, 1.0, 3.0), (250e6, 3.0, 4.0), (350e6, 2.0, 3.5), (550e6, 4.0, 5.0)]
    outside = [(50e6, 9.0, 1.0), (900e6, 0.5, 9.0)]
    found = judged(
        *(
            network(str(i), "ds", int(macs), ms, [(str(i), "pooling", 1, ms, predicted)])
            for i, (macs, ms, predicted) in enumerate(inside + outside)
        )
    )
    # The four are predicted in their measured order; by MACs one of six pairs is the wrong way round.
    assert (found.in_range, found.kendall) == (4, pytest.approx(1.0))
    assert found.kendall_macs == pytest.approx((5 - 1) / 6)


def test_a_network_that_was_only_measured_is_not_judged():
    measured, profiles = network("a", "ds", 1, 1.0, [("k", "pooling", 1, 1.0, 1.0)])
    target = get_target("rk3399")
    assert judge(target, 1, calibration(target), {"a": measured, "b": measured}, {"a": profiles}).networks.n == 1
    assert judge(target, 1, calibration(target), {"a": measured}, {}).networks is None


def test_records_are_read_again_unless_cut_short_or_of_other_code(tmp_path):
    path = tmp_path / "kept" / "records.jsonl"
    assert read_records(path, Measurement, "code") == {}
    first, _ = network("a", "ds", 1, 1.0, [("k", "pooling", 1, 1.0, 1.0)])
    second, _ = network("b", "ir", 2, 2.0, [("l", "pooling", 1, 1.0, 1.0)])
    keep_record(path, first)
    keep_record(path, second)
    assert read_records(path, Measurement, "code") == {"a": first, "b": second}
    assert read_records(path, Measurement, "other code") == {}
    path.write_bytes(path.read_bytes()[:-20])
    assert read_records(path, Measurement, "code") == {"a": first}


def test_a_measured_time_is_the_median_sample_of_the_fastest_visit():
    measured, _ = network("a", "ds", 1, 2.0, [])
    slower, fastest = (5.0, 1.5, 5.0), (2.0, 1.9, 9.0)
    assert msgspec.structs.replace(measured, visits_ms=(slower, fastest)).ms == 2.0


@pytest.mark.parametrize(("kernels_ms", "disturbed"), [(1.0, False), (0.95, False), (0.85, True), (1.2, True)])
def test_a_network_that_takes_other_than_its_kernels_was_disturbed(kernels_ms, disturbed):
    measured, _ = network("a", "ds", 1, 10.0, [("k", "pooling", 10, kernels_ms, 1.0)])
    assert measured.disturbed == disturbed


def test_every_family_is_sampled_as_often_and_the_same_each_time():
    subjects = find_subjects(20, resolution=64)
    families = Counter(subject.family for subject in subjects)
    assert families.pop("timm") == len(MODELS) == 12
    assert sum(families.values()) >= 20
    assert len(set(families.values())) == 1
    assert {"ds", "convnext", "bottleneck"} <= set(families)
    assert subjects == find_subjects(20, resolution=64)


@pytest.mark.parametrize(
    ("name", "rule", "shapes", "expected"),
    [
        ("fused_conv2d_add_relu", "contraction", [(1, 8, 8, 16), (1, 1, 16, 32)], "pointwise convolution"),
        ("fused_conv2d1_add", "contraction", [(1, 8, 8, 16), (2, 1, 1, 16, 32)], "pointwise convolution"),
        ("fused_conv2d2_add", "contraction", [(1, 8, 8, 16), (3, 3, 16, 32)], "dense convolution"),
        ("fused_conv2d3_add", "window", [(1, 8, 8, 16), (3, 3, 1, 16)], "depthwise convolution"),
        ("max_pool2d", "window", [(1, 8, 8, 16)], "pooling"),
        ("fused_matmul_add", "contraction", [(1, 16), (16, 32)], "matrix product"),
        ("winograd_product", "contraction", [(36, 49, 16), (36, 16, 16)], "Winograd product"),
        ("winograd_input", "transform", [(1, 8, 8, 16)], "Winograd transform"),
        ("softmax", "rows", [(1, 8)], "normalisation"),
        ("add", "elementwise", [(1, 8)], "element-wise"),
        ("sort", None, [(1, 8)], "unscheduled"),
    ],
)
def test_a_kernel_has_a_class_of_operators(name, rule, shapes, expected):
    arguments = tuple(("float32", shape) for shape in shapes)
    assert operator_of(Kernel(name, "k", 1, 0, 0, arguments, rule)) == expected


def test_a_scatter_puts_equal_times_on_the_diagonal():
    drawing = ET.fromstring(scatter_svg({"ds & co": [(1.0, 1.0), (10.0, 10.0)], "ir": [(2.0, 4.0)]}, "a <title>"))
    name = "{http://www.w3.org/2000/svg}"
    inside = [
        (float(circle.get("cx")), float(circle.get("cy")), circle.get("fill"))
        for circle in drawing.iter(f"{name}circle")
        if float(circle.get("cx")) <= MARGIN + SIDE
    ]
    assert [x - MARGIN for x, _, _ in inside[:2]] == pytest.approx(
        [MARGIN + SIDE - y for _, y, _ in inside[:2]], abs=0.2
    )
    x, y, colour = inside[2]
    assert MARGIN + SIDE - y > x - MARGIN
    assert colour != inside[0][2]
    texts = [text.text for text in drawing.iter(f"{name}text")]
    assert {"a <title>", "ds & co", "ir", "measured ms", "predicted ms"} <= set(texts)


def test_wrong_options_end_in_one_line(bench):
    said = bench("validate", "host", "--n", "0")
    assert (said.code, said.errors) == (2, "error: --n must be 1 or more, not 0\n")
    said = bench("validate", "host", "--threads", "100000")
    assert said.code == 2
    assert said.errors.count("\n") == 1


def test_without_qemu_nothing_is_measured(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    said = bench("validate", "host", "--n", "1")
    assert said.code == 2
    assert not (tmp_path / "cache" / "validation").exists()

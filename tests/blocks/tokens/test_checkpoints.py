"""A reduction in a file of its own, on a backbone from elsewhere."""

from __future__ import annotations

import pickle

import pytest
import torch

from blockfront.blocks.tokens import (
    calibrate,
    calibrate_capacity,
    load_reduction,
    make_static,
    reduce_tokens,
    save_reduction,
)
from blockfront.errors import UsageError


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ltmp", {"prune_threshold": 0.0125, "merge_threshold": float("inf")}),
        ("tome", {"r": (4, 0, 3, 2)}),
        ("cropr", {"r": 6}),
        ("evit", {"keep": 0.6}),
        ("random", {"target": 0.7, "seed": 3}),
    ],
)
def test_a_reduction_loads_onto_a_plain_backbone(method, options, vit, make_vit, images, tmp_path):
    reduced = reduce_tokens(vit, method, **options)
    if method == "ltmp":
        torch.nn.init.uniform_(reduced.reducer.prune_thresholds, 0.005, 0.014)
    save_reduction(reduced, tmp_path / "reduction.pt")
    loaded = load_reduction(make_vit(), tmp_path / "reduction.pt")
    assert loaded.options == reduced.options
    assert loaded(images).equal(reduced(images))


@pytest.mark.parametrize("calibration", [calibrate, calibrate_capacity])
def test_a_plan_travels_with_its_thresholds(calibration, vit, make_vit, images, tmp_path):
    dynamic = reduce_tokens(vit, "ltmp", merge_threshold=0.5, prune_threshold=0.0125)
    static = make_static(dynamic, calibration(dynamic, [images]))
    save_reduction(static, tmp_path / "reduction.pt")
    loaded = load_reduction(make_vit(), tmp_path / "reduction.pt")
    assert loaded.plan == static.plan
    assert loaded(images).equal(static(images))


def test_a_file_of_thresholds_is_small(vit, tmp_path):
    save_reduction(reduce_tokens(vit, "ltmp"), tmp_path / "reduction.pt")
    assert (tmp_path / "reduction.pt").stat().st_size < 5000


class _Code:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_file_that_holds_no_reduction_is_named_and_never_run(vit, make_vit, tmp_path, capsys):
    (tmp_path / "code.pt").write_bytes(pickle.dumps(_Code(), protocol=2))
    torch.save({"code": _Code()}, tmp_path / "zipped.pt")
    torch.save(vit.state_dict(), tmp_path / "plain.pt")
    (tmp_path / "text.pt").write_text("thresholds")
    save_reduction(reduce_tokens(make_vit(depth=3), "ltmp"), tmp_path / "shallow.pt")
    for name, words in (
        ("missing.pt", "cannot be read"),
        ("code.pt", "cannot be read"),
        ("zipped.pt", "cannot be read"),
        ("text.pt", "cannot be read"),
        ("plain.pt", "holds no token reduction"),
        ("shallow.pt", "another backbone"),
    ):
        with pytest.raises(UsageError, match=words) as failure:
            load_reduction(vit, tmp_path / name)
        assert "\n" not in str(failure.value)
    assert capsys.readouterr().out == ""

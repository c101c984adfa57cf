"""Ethos-U from the command line."""

from __future__ import annotations

import json

import pytest

from blockfront.console.kernel_table import npu_line

pytest.importorskip("ethosu")
pytest.importorskip("ai_edge_litert")


@pytest.mark.processes
def test_a_profile_lists_operators_and_says_by_whom_and_for_which_system(bench):
    asked = ("profile", "mobilenetv2_035", "--target", "ethos_u55_128", "--resolution", "32", "--quiet")
    shown = bench(*asked)
    assert shown.code == 0, shown.errors
    assert "ms (simulated, vela)" in shown.output
    assert "(Arm's compiler, estimate) for Ethos_U55_High_End_Embedded, Shared_Sram" in " ".join(shown.output.split())
    assert "Nothing falls back." in shown.output
    found = json.loads(bench(*asked, "--json").output)
    assert (found["precision"], found["fallbacks"], found["npu_macs"]) == ("int8", "", 1.0)
    assert found["npu_cycles"] <= found["total_cycles"]


def test_what_falls_back_is_named_with_the_time_that_lacks():
    npu = {"cycles": 1e6, "total_cycles": 2e6, "macs": 0.5, "system_config": "a", "memory_mode": "b"}
    said = npu_line({**npu, "fallbacks": {"Softmax": 2, "Gelu": 1}})
    assert "50.0% of the layers' MACs on the NPU" in said
    assert said.endswith("Left to the processor, whose time is not in the latency: 2 Softmax, 1 Gelu.")

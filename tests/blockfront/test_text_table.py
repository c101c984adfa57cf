"""Tables for readers: what is in them, and that nothing in a cell is read as markup."""

from __future__ import annotations

import pytest

from blockfront.results.table import to_frame
from blockfront.study.text_table import caption, latex, markdown

ROW = {
    "study": "a_study",
    "target": "rk3399",
    "toolchain": "tvm",
    "threads": 2,
    "latency_source": "measured",
    "network_id": "00ff",
    "family": "ir|se",
    "latency_ms": 12.345,
    "latency_ci95_low_ms": 12.0,
    "latency_ci95_high_ms": 12.5,
    "latency_p90_ms": 13.0,
    "latency_p99_ms": 20.0,
    "macs": 300_000_000,
}


@pytest.fixture
def frame():
    return to_frame([ROW, {"study": "a_study", "network_id": "11ee", "family": "ds", "state": "failed"}])


def test_markdown_has_what_is_known_of_each_network_and_its_source(frame):
    first, blank, header, rule, *rows = markdown(frame).splitlines()
    assert first == "study: a_study; target: rk3399; toolchain: tvm; threads: 2; latency source: measured"
    assert blank == ""
    assert header == "| network | family | latency (ms) | p90 (ms) | p99 (ms) | MACs (M) |"
    assert rule == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert rows == [
        "| 00ff | ir\\|se | 12.3 (12.0 to 12.5) | 13.0 | 20.0 | 300 |",
        "| 11ee | ds | — | — | — | — |",
    ]


def test_latex_is_the_same_table_with_its_letters_escaped(frame):
    lines = latex(frame).splitlines()
    assert lines[1].startswith(r"\caption{study: a\_study; target: rk3399")
    assert r"\begin{tabular}{llrrrr}" in lines
    assert r"00ff & ir|se & 12.3 (12.0 to 12.5) & 13.0 & 20.0 & 300 \\" in lines
    assert r"11ee & ds & --- & --- & --- & --- \\" in lines
    escaped = latex(to_frame([{**ROW, "family": r"a&b%c$d#e_f{g}h~i^j\k"}]))
    assert r"a\&b\%c\$d\#e\_f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k" in escaped


def test_a_table_of_nothing_is_a_header():
    empty = to_frame([])
    assert caption(empty) == ""
    assert markdown(empty).splitlines()[2:] == ["| network | family |", "| --- | --- |"]

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
    assert r"00ff & ir\textbar{}se & 12.3 (12.0 to 12.5) & 13.0 & 20.0 & 300 \\" in lines
    assert r"11ee & ds & --- & --- & --- & --- \\" in lines


@pytest.mark.parametrize(
    ("letter", "escaped"),
    [
        *((letter, f"\\{letter}") for letter in "&%$#_{}"),
        ("\\", r"\textbackslash{}"),
        ("~", r"\textasciitilde{}"),
        ("^", r"\textasciicircum{}"),
        ("|", r"\textbar{}"),
        ("<", r"\textless{}"),
        (">", r"\textgreater{}"),
    ],
)
def test_every_letter_that_latex_reads_otherwise_is_escaped(letter, escaped):
    named = {**ROW, "network": f"known_3x8x8/a{letter}b.py:net", "family": f"a{letter}b", "study": f"a{letter}b"}
    table = latex(to_frame([named]))
    assert rf"a{escaped}b.py:net & a{escaped}b & 12.3" in table
    assert rf"\caption{{study: a{escaped}b;" in table


@pytest.mark.parametrize("letter", list("\\|<*`[&~"))
def test_no_letter_is_markup_in_markdown(letter):
    named = {**ROW, "network": f"known_3x8x8/a{letter}b.py:net", "study": f"a{letter}b"}
    table = markdown(to_frame([named]))
    assert rf"| a\{letter}b.py:net |" in table
    assert table.startswith(rf"study: a\{letter}b;")


def _networks(*texts):
    return to_frame([{**ROW, "network_id": f"id{i}", "network": text} for i, text in enumerate(texts)])


@pytest.mark.parametrize(
    ("texts", "columns"),
    [
        (("known_3x32x32/a.py:net", "known_3x64x64/b.py:net"), {}),
        (("known_3x32x32/a.py:net", "known_3x64x64/a.py:net"), {"input": ["3x32x32", "3x64x64"]}),
        (("known/a.py:net", "known_3x64x64/a.py:net"), {"input": ["—", "3x64x64"]}),
        (("known_3x32x32/a.py:net", "known_3x32x32/a.py:net"), {"id": ["id0", "id1"]}),
        (
            ("known_3x32x32/a.py:net", "known_3x32x32/a.py:net", "known_3x64x64/a.py:net"),
            {"input": ["3x32x32", "3x32x32", "3x64x64"], "id": ["id0", "id1", "id2"]},
        ),
        (("cnn_32/a", "cnn_64/a"), {}),
    ],
)
def test_networks_of_one_name_are_told_apart(texts, columns):
    header, _, *rows = [line.strip("| ").split(" | ") for line in markdown(_networks(*texts)).splitlines()[2:]]
    assert header[1 : header.index("family")] == list(columns)
    for title, cells in columns.items():
        assert [row[header.index(title)] for row in rows] == cells
    assert len({tuple(row[: header.index("family")]) for row in rows}) == len(texts)
    assert rf"\begin{{tabular}}{{{'l' * (2 + len(columns))}rrrr}}" in latex(_networks(*texts))


def test_a_table_of_nothing_is_a_header():
    empty = to_frame([])
    assert caption(empty) == ""
    assert markdown(empty).splitlines()[2:] == ["| network | family |", "| --- | --- |"]

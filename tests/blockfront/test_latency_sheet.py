"""The sheet of latencies that somebody filled in: which networks, which numbers, which unit."""

from __future__ import annotations

import re

import pytest

from blockfront.errors import UsageError
from blockfront.services.latency_sheet import Filled, check_units, read_latencies
from blockfront.services.sheet import load_sheet

KNOWN = {network_id: f"{network_id}.onnx" for network_id in ("aa", "bb", "cc")}
NUMBERS = ("697780558176", "025386467467", "1234e5678901", "aa12e3456789")


def _read(tmp_path, text, unit=None, known=KNOWN):
    (tmp_path / "sheet.csv").write_text(text, encoding="utf-8")
    return read_latencies(load_sheet(tmp_path / "sheet.csv"), unit, known)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("network_id,latency_ms\naa,1.5\nbb,2\ncc,failed\n", None),
        ("network_id,latency (us)\naa,1500\nbb,2e3\ncc,FAILED\n", None),
        ("network_id,latency_s\naa,0.0015\nbb,0.002\ncc,failed\n", "s"),
        ("network_id,latency\naa,1500\nbb,2000\ncc,failed\n", "us"),
        ("\ufeffnetwork_id;latency_ms;remark\naa;1,5;\nbb;2,0;warm\n;;\ncc;failed;\n", None),
        ("Network_ID\tLatency_µs\naa\t1500\nbb\t2000\ncc\tfailed\n", None),
        ("network_id,latency_\N{GREEK SMALL LETTER MU}s\naa,1500\nbb,2000\ncc,failed\n", "us"),
        ("network_id,latency [us]\naa,1500\nbb,2000\ncc,failed\n", None),
        ("network_id,Latency in ms\naa,1.5\nbb,2\ncc,failed\n", None),
        ('network_id,latency_ms\naa,"1,5"\nbb,"2,0"\ncc,failed\n', None),
        ("network_id,latency_ms,latency_std,latency_p90_ms\naa,1.5,9,9\nbb,2,9,9\ncc,failed,,\n", None),
        ("network_id,latency_us,latency\naa,1500,9\nbb,2000,9\ncc,failed,\n", None),
        ("network_id,latency,latency_max\naa,1500,9\nbb,2000,9\ncc,failed,\n", "us"),
        ("file,latency_ms\naa.onnx,1.5\nout/bb.onnx,2\nout\\cc.onnx,failed\n", None),
        ("network_id,latency_ms\nAA,1.5\nbb.onnx,2\ncc,failed\n", None),
    ],
)
def test_a_sheet_is_read_as_spreadsheets_and_people_write_it(tmp_path, text, unit):
    assert _read(tmp_path, text, unit).latencies == {"aa": 1.5, "bb": pytest.approx(2.0), "cc": None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("network_id,ms\naa,1\n", "needs one column latency_ms, latency_us or latency_s; it has network_id, ms"),
        ("network_id,latency_ms,latency_us\n", "needs one column"),
        ("network_id,latency_std,latency_p90_ms\n", "needs one column"),
        ("network_id,latency_ms,latency_ms\n", "has 2 columns latency_ms; leave one"),
        ("id,latency_ms\naa,1\n", "has no column network_id"),
        ("network_id,latency\naa,1\n", "does not say the unit"),
        ("network_id,latency_min\naa,1\n", "unit 'min' is none of ms, us, µs, s"),
        ("network_id,latency_ms\naa,1\nbb,2\n", "network cc: no row"),
        ("network_id,latency_ms\naa,1\nbb,\ncc,3\n", "line 3: network bb has no latency; write failed if"),
        ("network_id,latency_ms\naa,1\nbb,2\naa,1\ncc,3\n", "line 4: network aa has two rows"),
        ("network_id,latency_ms\naa,1\nzzz,2\n", "no network 'zzz'; leave the row out"),
        (
            "network_id,latency_ms\naa,1 ms\nbb,2\ncc,3\n",
            "line 2: '1 ms' is no number; digits are not grouped, and the unit",
        ),
        ("network_id;latency_ms\naa;1.250,5\nbb;2\ncc;3\n", "line 2: '1.250,5' is no number; digits are not grouped"),
        ("network_id,latency_ms\naa,1_0\nbb,2\ncc,3\n", "line 2: '1_0' is no number"),
        ("network_id,latency_ms\naa,１\nbb,2\ncc,3\n", "line 2: '１' is no number"),
        ("network_id,latency_ms\naa,-1\nbb,2\ncc,3\n", "line 2: a latency is a number above 0, not -1"),
        ("network_id,latency_ms\naa,nan\nbb,2\ncc,3\n", "a number above 0, not nan"),
        ("network_id,latency_ms\naa,inf\nbb,2\ncc,3\n", "a number above 0, not inf"),
        ("network_id,latency_ms\naa,1,5\nbb,2\ncc,3\n", "line 2 of"),
        ("network_id,latency_ms\naa,failed\nbb,failed\ncc,failed\n", "has no latency"),
    ],
)
def test_a_wrong_sheet_is_refused_with_its_line(tmp_path, text, words):
    with pytest.raises(UsageError) as refused:
        _read(tmp_path, text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("network_id\tlatency_us\naa\t1,200\nbb\t1,237\ncc\t950\n", "1,200 may mean 1.2 or 1200, as every number of"),
        ("network_id;latency_us\naa;1.234\nbb;2.345\ncc;failed\n", "or with another number of decimals, as 1.2340"),
        ("network_id;latency_us\naa;1.234\nbb;950,5\ncc;2\n", "line 2: 1.234 may mean 1.234 or 1234"),
        ('network_id,latency_us\naa,"1,234"\nbb,"12,345"\ncc,"123,456"\n', "with a comma has three digits after it"),
        ("network_id,latency_us\naa,1.234\nbb,950\ncc,2.345\n", "with a point has three digits after it"),
    ],
)
def test_numbers_that_may_be_grouped_are_refused(tmp_path, text, words):
    with pytest.raises(UsageError) as refused:
        _read(tmp_path, text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("network_id;latency_ms\naa;1,234\nbb;2,5\ncc;3\n", 1.234),
        ("network_id;latency_ms\naa;1,234\nbb;0,345\ncc;3\n", 1.234),
        ("network_id;latency_ms\naa;1234,567\nbb;1,345\ncc;3\n", 1234.567),
        ("network_id;latency_ms\naa;1.2340\nbb;2.345\ncc;3\n", 1.234),
        ("network_id,latency_ms\naa,1.234\nbb,12.345\ncc,failed\n", 1.234),
        ("network_id,latency_ms\naa,1.234e0\nbb,12\ncc,failed\n", 1.234),
    ],
)
def test_numbers_that_say_where_their_decimals_are_are_read(tmp_path, text, first):
    assert _read(tmp_path, text).latencies["aa"] == first


def _rows(ids, files):
    return "\n".join(
        [
            "network_id,file,latency_ms",
            *(f"{one},{file},{i}" for i, (one, file) in enumerate(zip(ids, files, strict=True), 1)),
        ]
    )


CHANGED = (
    ("6.97781E+11", "25386467467", "inf", NUMBERS[3]),
    ("6.97780558176E+11", "2.53865E+10", "1234E5678901", NUMBERS[3]),
    ("697780558176.0", "25386467467.0", "", NUMBERS[3].upper()),
)


@pytest.mark.parametrize("ids", CHANGED)
def test_ids_that_a_spreadsheet_took_for_numbers_are_known_by_the_files_beside_them(tmp_path, ids):
    known = {network_id: f"{network_id}.onnx" for network_id in NUMBERS}
    filled = _read(tmp_path, _rows(ids, known.values()), known=known)
    assert filled.latencies == dict(zip(NUMBERS, (1.0, 2.0, 3.0, 4.0), strict=True))
    (note,) = filled.notes
    assert note.startswith(f"{sum(map(str.__ne__, ids, NUMBERS))} changed network_ids understood: ")
    assert f"{ids[0]} in line 2 is 697780558176" in note
    assert _read(tmp_path, _rows(NUMBERS, known.values()), known=known) == Filled(filled.latencies)


@pytest.mark.parametrize("shown", ["6.97781E+11", "6,97781E+11", "6.98E+11", "697780558176.0"])
def test_a_rounded_id_is_known_where_one_network_alone_rounds_to_it(tmp_path, shown):
    text = f"network_id;latency_ms\n{shown};1\n{NUMBERS[1]};2\n"
    known = {network_id: f"{network_id}.onnx" for network_id in NUMBERS[:2]}
    assert _read(tmp_path, text, known=known).latencies == {NUMBERS[0]: 1.0, NUMBERS[1]: 2.0}
    twin = {**known, "697780999999": "697780999999.onnx"}
    if shown != "697780558176.0":
        with pytest.raises(
            UsageError, match=rf"line 2: {re.escape(shown)} is no id .* take the column network_id in as"
        ):
            _read(tmp_path, text, known=twin)


def test_an_id_and_a_file_of_two_networks_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"line 2: aa and bb\.onnx are two networks: was a column sorted"):
        _read(tmp_path, _rows(("aa", "bb", "cc"), ("bb.onnx", "aa.onnx", "cc.onnx")))


def test_a_unit_that_header_and_option_disagree_on_is_refused(tmp_path):
    with pytest.raises(UsageError, match="has its latencies in ms, and --unit says us"):
        _read(tmp_path, "network_id,latency_ms\naa,1\n", "us")


MACS = {"aa": 10_000_000, "bb": 20_000_000, "cc": 1_000_000_000, "dd": 15_000_000, "ee": 30_000_000}


def test_latencies_of_two_units_are_noticed_and_large_networks_are_not_taken_for_them():
    plausible = {name: macs * 1e-7 for name, macs in MACS.items()}
    check_units(plausible, MACS)
    check_units({**plausible, "aa": 30 * plausible["aa"]}, MACS)
    for name, factor in (("aa", 1000), ("ee", 1e-3)):
        with pytest.raises(UsageError, match=f"network {name}: over 100 times off"):
            check_units({**plausible, name: factor * plausible[name]}, MACS)


def test_networks_without_macs_are_held_against_the_others_alone():
    macs = {**MACS, "pool": 0}
    plausible = {name: n * 1e-7 for name, n in MACS.items()}
    check_units({**plausible, "pool": 0.001}, macs)
    check_units({**plausible, "pool": 5.0}, macs)
    check_units({"pool": 1.0, "other": 2.0}, {"pool": 0, "other": 0})
    with pytest.raises(UsageError, match="network pool: over 100 times off"):
        check_units({**plausible, "pool": 900.0}, macs)

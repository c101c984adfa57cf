"""CSV as spreadsheets and programs write it, of latencies and of accuracies alike."""

from __future__ import annotations

import pytest

from blockfront.design_space import known_network
from blockfront.errors import UsageError
from blockfront.services.accuracy import Accuracies
from blockfront.services.latency_sheet import read_latencies
from blockfront.services.sheet import load_sheet, read_number

KNOWN = {"aa": "aa.onnx", "bb": "bb.onnx"}
ROWS = ((1, ("aa", "1.5")), (2, ("bb", "2")))


def _load(tmp_path, content):
    path = tmp_path / "sheet.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_sheet(path)


@pytest.mark.parametrize(
    "content",
    [
        "name,value\naa,1.5\nbb,2\n",
        "Name;VALUE\r\naa;1.5\r\nbb;2\r\n",
        "name\tvalue\raa\t1.5\rbb\t2\r",
        "\ufeffname,value\naa,1.5\nbb,2",
        "sep=;\r\nname;value\r\naa;1.5\r\nbb;2\r\n",
        '"sep=|"\nname|value\naa|1.5\nbb|2\n',
        "\n ; \nname;value\n\naa;1.5\n;\nbb;2\n",
        '"name","value"\n"aa","1.5"\n"bb","2"\n',
        "name, value\naa, 1.5\nbb , 2\n",
        'name, "value"\naa, "1.5"\nbb, "2"\n',
        "name\tvalue\naa\t1.5\nbb\t2\n".encode("utf-16"),
        b"\xfe\xff" + "name;value\naa;1.5\nbb;2\n".encode("utf-16-be"),
    ],
)
def test_every_dialect_says_the_same(tmp_path, content):
    sheet = _load(tmp_path, content)
    assert sheet.header == ("name", "value")
    assert [cells for _, cells in sheet.rows] == [cells for _, cells in ROWS]


def test_rows_are_told_by_the_lines_of_the_file_that_they_begin_in(tmp_path):
    sheet = _load(tmp_path, 'sep=,\n\nname,note\naa,"warm\nand dry"\n\nbb,5" board\n')
    assert sheet.rows == ((4, ("aa", "warm\nand dry")), (7, ("bb", '5" board')))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "sheet.csv is empty"),
        (b"\n;;\n\n", "sheet.csv is empty"),
        (b"sep=;\n", "sheet.csv is empty"),
        (b"PK\x03\x04 and more", "is a workbook of a spreadsheet; save the sheet as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0 and more", "is a workbook of a spreadsheet; save the sheet as CSV UTF-8"),
        ("name,latency_µs\n".encode("cp1252"), "it is no UTF-8 text; save the sheet as CSV UTF-8"),
        ("name,value\n".encode("utf-16-le"), "it has characters of no text; save the sheet as CSV UTF-8"),
        (b"name,value\naa\n", "line 2 of {path} has 1 cell, the header 2"),
        (b"name,value\naa,1,5\n", "line 2 of {path} has 3 cells, the header 2; put quotes around a cell with a comma"),
        (b'name,value\naa,1\nbb,"2\ncc,3\n', "line 3 of {path}: a cell begins with a quote"),
        (b'name,value,note\naa,1,"5 in\nbb,2,\ncc,3,"dry\n', "line 2 of {path}: a cell begins with a quote"),
        (b'name,value,note\naa,1,"5 in\nbb,2,6 in"\n', "line 2 of {path}: a cell begins with a quote"),
        (b'name,note,value\naa,"5 in,1\nbb,6 in",2\n', "line 2 of {path}: a cell begins with a quote"),
    ],
)
def test_what_is_no_sheet_is_refused_in_a_line_that_says_what_to_do(tmp_path, content, words):
    with pytest.raises(UsageError) as refused:
        _load(tmp_path, content)
    assert words.format(path=tmp_path / "sheet.csv") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_and_a_missing_file_are_told_so(tmp_path):
    with pytest.raises(UsageError, match="is a folder; give the CSV file in it"):
        load_sheet(tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        load_sheet(tmp_path / "none.csv")


@pytest.mark.parametrize("text", ["1", "1.5", "1,5", "-2", "+.5", "3.", "1e-3", "1,5E+2", "1234567.8"])
def test_a_number_may_have_a_point_or_a_comma(text):
    assert read_number(text) == float(text.replace(",", "."))


@pytest.mark.parametrize("text", ["", "1_0", "1.234,5", "1,234.5", "1 000", "1'000", "1.5 ms", "１", "0x1", "1e", "."])
def test_what_is_written_otherwise_is_no_number(text):
    with pytest.raises(ValueError, match=r"^"):
        read_number(text)


DIALECTS = {"commas": (",", '"{}","{}"\n'), "semicolons": (";", "{};{}\r\n"), "tabs": ("\t", "{}\t{}\n")}


@pytest.mark.parametrize("start", ["", "\n", "sep={}\r\n"])
@pytest.mark.parametrize(("separator", "form"), DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_latencies_and_accuracies_take_the_same_dialects(tmp_path, separator, form, start, encoding):
    network, path = known_network("resnet18"), tmp_path / "sheet.csv"

    def write(*rows):
        path.write_text(start.format(separator) + "".join(form.format(*row) for row in rows), encoding=encoding)

    write(("Network_ID", "Latency_MS"), ("aa", "1,5"), ("bb", "2,25"))
    assert read_latencies(load_sheet(path), None, KNOWN).latencies == {"aa": 1.5, "bb": 2.25}
    write(("Model", "Accuracy"), ("resnet18", "71,5 %"), ("bb", "2,25"))
    training = Accuracies(str(path)).of([network]).trainings[network.id]
    assert training.scores["top1"].value == pytest.approx(0.715)

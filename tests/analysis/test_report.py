from __future__ import annotations

import errno
import html
import json
import os
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from blockfront.analysis import front, render_report, write_report
from blockfront.errors import RunError, UsageError

ATTACK = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Outline(HTMLParser):
    """Headings, visible text outside scripts, table rows, and every attribute that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.text: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "link", "img", "br", "wbr"):
            self._open.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data", "action") or (name == "href" and not value.startswith("#")):
                self.loads.append(value)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)
        if not {"script", "style"} & set(self._open):
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def page(make_study) -> str:
    """The report of the study that `study` gives, for tests that only read it."""
    return render_report(make_study())


def test_the_report_is_one_file_that_loads_nothing(study, tmp_path):
    path = write_report(study, tmp_path / "report.html")
    outline = Outline(path.read_text(encoding="utf-8"))
    assert outline.loads == ["data:,"]
    assert outline.tags.count("script") == 3 + 2  # three figures, plotly once, and the page's own
    assert os.listdir(tmp_path) == ["report.html"]


def test_the_report_has_its_sections_in_order(page):
    headings = Outline(page).headings
    assert headings == [
        "Accuracy against latency, by block family",
        "mobile-rk3399",
        "The front",
        "Families",
        "What predicts latency",
        "How these numbers were made",
    ]


def test_the_front_table_lists_every_network_of_the_front(study, page):
    words = Outline(page).words
    for _, row in front(study).iterrows():
        assert row["network_id"] in words
        assert row["network"] in words.replace("/ ", "/")
        assert f"{row['latency_ms']:.3g}" in words


def test_what_was_recorded_is_shown(study):
    provenance = {
        "mobile-rk3399": {
            "command": "bench sample --n 200",
            "versions": {"torch": "2.15.0"},
            "space": {"name": "mobile", "stages": [{"depth": 3}]},
            "note": "two\nlines",
        }
    }
    words = Outline(render_report(study, provenance=provenance)).words
    for text in ("bench sample --n 200", "torch 2.15.0", '"depth": 3', "predicted by roofline", "two lines"):
        assert text in words


def test_untrusted_text_is_shown_and_never_run(make_study):
    study = make_study(12).astype({"state": object, "error": object})
    for column in ("family", "network", "network_id", "study", "target", "predictor", "dataset"):
        study[column] = ATTACK
    study.loc[0, "state"], study.loc[0, "error"] = "failed", ATTACK
    text = render_report(study, provenance={ATTACK: {ATTACK: {"a": [ATTACK]}}}, title=ATTACK)
    outline = Outline(text)
    assert "img" not in outline.tags
    assert outline.tags.count("script") == 5
    assert ATTACK in outline.words
    for block in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text):
        assert "<" not in block
        assert json.loads(block)["data"]


def test_failures_are_counted_by_reason(study):
    study = study.astype({"state": object, "error": object})
    study.loc[:4, "state"] = "failed"
    study.loc[:2, "error"] = "compiling failed: out of memory\nTraceback ..."
    study.loc[4, "error"] = "the worker died"
    words = Outline(render_report(study)).words
    assert re.search(r"3 compiling failed: out of memory .* 1 no reason recorded .* 1 the worker died", words)
    assert "Traceback" not in words


def test_a_study_without_accuracy_shows_latencies_alone(study):
    outline = Outline(render_report(study.assign(top1=None, test_images=None)))
    assert "No accuracy yet" in outline.words
    assert "Networks, fastest first" in outline.headings
    assert "The front" not in outline.headings


@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_study_with_few_networks_says_so(make_study, n):
    provenance = {"mobile-rk3399": {"command": "bench sample"}}
    outline = Outline(render_report(make_study(n), provenance=provenance))
    assert "mobile-rk3399" in outline.headings
    assert ("No networks yet" if n == 0 else "Not enough networks to compare") in outline.words
    assert "bench sample" in outline.words


def test_running_and_waiting_networks_are_counted(study):
    study = study.astype({"state": object})
    study.loc[:2, ["state", "latency_ms", "top1"]] = ["running", None, None]
    assert "200 networks: 197 complete, 3 running" in Outline(render_report(study)).words


def test_several_studies_have_a_section_each_and_a_comparison(make_study):
    studies = [make_study(30), make_study(30, target="host", source="measured")]
    outline = Outline(render_report(studies))
    assert [h for h in outline.headings if h in ("Comparison", "mobile-rk3399", "mobile-host")] == [
        "Comparison",
        "mobile-rk3399",
        "mobile-host",
    ]
    assert "mobile-rk3399 (predicted) mobile-host (measured) 30" in outline.words
    assert render_report(pd.concat(studies)) == render_report(studies)


def test_a_study_of_two_sources_keeps_them_apart(make_study):
    mixed = pd.concat([make_study(30), make_study(30, seed=1, source="measured")])
    headings = Outline(render_report(mixed)).headings
    assert {"The front, measured", "The front, predicted"} <= set(headings)


def test_the_same_study_gives_the_same_report(study, page):
    assert render_report(study) == page


def test_no_study_is_refused():
    with pytest.raises(UsageError, match="at least one study"):
        render_report([])


def test_a_path_that_cannot_be_a_file_is_refused(study, tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        write_report(study, tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        write_report(study, tmp_path / "no" / "report.html")


def test_an_interrupted_write_leaves_the_old_report(study, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device"):
        write_report(study, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_accessible_names_are_given(page):
    assert '<html lang="en">' in page
    assert page.count('role="img" aria-label="') == 3
    assert page.count('role="region" aria-label="') == 3
    assert html.escape("Accuracy against latency, by block family") in page


def test_studies_of_other_networks_on_one_target_stand_on_one_front(make_study):
    mobile, vit = make_study(12, seed=0, study="mobile"), make_study(12, seed=1, study="vit")
    page = render_report([mobile, vit])
    assert "Together: mobile and vit" in page
    assert "24 networks" in page


@pytest.mark.parametrize("change", [{"target": "other"}, {"epochs": 9}, {"dataset": "other"}, {"threads": 1}])
def test_studies_that_differ_in_more_than_their_networks_never_do(make_study, change):
    mobile, vit = make_study(12, seed=0, study="mobile"), make_study(12, seed=1, study="vit")
    assert "Together" not in render_report([mobile, vit.assign(**change)])


def test_studies_of_the_same_networks_never_do(make_study):
    mobile = make_study(12, study="mobile")
    assert "Together" not in render_report([mobile, mobile.assign(study="again")])

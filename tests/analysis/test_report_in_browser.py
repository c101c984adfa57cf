"""The report in headless Chromium, as a reader sees it on a desk and on a phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from blockfront.analysis import front, write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium or chromedriver is not installed: apt install chromium-driver"
)

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def study(make_study) -> pd.DataFrame:
    table = make_study(200).astype({"state": object, "error": object})
    table.loc[:3, ["state", "error"]] = ["failed", "<script>document.title = 'attacked'</script>"]
    table.loc[4:6, ["state", "top1"]] = ["running", None]
    return table


@pytest.fixture(scope="module")
def report(study: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(study, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module", params=WIDTHS)
def browser(request, report: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    width, height = WIDTHS[request.param]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": request.param == "phone"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.set_script_timeout(60)
    driver.get(report.as_uri())
    yield driver
    driver.quit()


def drawn(browser: webdriver.Chrome, kind: str) -> int:
    """Marks visible in the figure of one kind."""
    return len(browser.find_elements("css selector", f'[data-kind="{kind}"] .scatterlayer .points > path'))


def in_figure(browser: webdriver.Chrome, kind: str, script: str) -> object:
    """What `script` (with `plot`, may await) gives inside the page."""
    start = f"const done = arguments[0], plot = document.querySelector('[data-kind=\"{kind}\"]');"
    return browser.execute_async_script(f"{start} (async () => {{ {script} }})().then(done, e => done('' + e));")


def restore(browser: webdriver.Chrome) -> None:
    in_figure(browser, "front", "await Plotly.restyle(plot, {visible: true});")


def test_nothing_is_logged_and_nothing_is_fetched(browser, report):
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    # Chromium's own start page loads its parts before the report is opened.
    fetched = [
        r["request"]["url"] for r in requests if not r["documentURL"].startswith(("chrome:", "chrome-untrusted:"))
    ]
    assert {url for url in fetched if not url.startswith(("data:", "blob:"))} == {report.as_uri()}


def test_text_from_the_study_is_never_run(browser):
    assert browser.title == "Accuracy against latency, by block family"


def test_every_finished_network_is_drawn_and_the_front_is_ringed(browser, study):
    restore(browser)
    finished = study[study["state"] == "complete"]
    assert drawn(browser, "front") == len(finished) + len(front(study))
    assert drawn(browser, "correlation") == (study["state"] != "failed").sum()


def test_the_page_does_not_scroll_sideways(browser):
    root = "document.documentElement"
    assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")


def test_figures_fit_the_page(browser):
    for box in browser.find_elements("css selector", ".plot"):
        svg = box.find_element("css selector", ".main-svg")
        assert svg.rect["x"] >= 0
        assert svg.rect["x"] + svg.rect["width"] <= browser.execute_script("return innerWidth")


def test_axis_titles_and_legend_stay_inside_the_figure(browser):
    script = """
        const outer = plot.getBoundingClientRect();
        const parts = plot.querySelectorAll(".xtitle, .ytitle, .legend");
        return [...parts].map(part => part.getBoundingClientRect()).filter(box =>
            box.left < outer.left - 1 || box.right > outer.right + 1 || box.bottom > outer.bottom + 1).length;
    """
    for kind in ("front", "share", "correlation"):
        assert in_figure(browser, kind, script) == 0


def test_a_click_in_the_legend_hides_a_family_and_its_front(browser, study):
    restore(browser)
    before = drawn(browser, "front")
    entries = browser.find_elements("css selector", '[data-kind="front"] .legend .traces')
    (entry,) = [item for item in entries if item.text == "ir_se"]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", entry)
    toggle = entry.find_element("css selector", ".legendtoggle")
    webdriver.ActionChains(browser).move_to_element(toggle).click().perform()
    script = """
        for (let i = 0; i < 50 && !plot.data.some(trace => trace.visible === "legendonly"); i++) {
            await new Promise(next => setTimeout(next, 100));
        }
        const hidden = plot.data.filter(trace => trace.visible === "legendonly");
        return hidden.map(trace => [trace.name, trace.mode]);
    """
    assert in_figure(browser, "front", script) == [["ir_se", "lines"], ["ir_se", "markers"]]
    hidden = ((study["family"] == "ir_se") & (study["state"] == "complete")).sum()
    assert drawn(browser, "front") == before - hidden
    restore(browser)


@pytest.mark.parametrize(("axis", "menu"), [("x", 0), ("y", 1)])
def test_the_buttons_switch_an_axis_between_log_and_linear(browser, axis, menu):
    for place, scale in ((0, "linear"), (1, "log"), (0, "linear")):
        buttons = browser.find_elements("css selector", '[data-kind="front"] .updatemenu-button')
        button = buttons[2 * menu + place]
        assert button.text == f"{axis}: {scale}"
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        webdriver.ActionChains(browser).move_to_element(button).click().perform()
        script = f"""
            for (let i = 0; i < 50 && plot._fullLayout.{axis}axis.type !== "{scale}"; i++) {{
                await new Promise(next => setTimeout(next, 100));
            }}
            return plot._fullLayout.{axis}axis.type;
        """
        assert in_figure(browser, "front", script) == scale
    ticks = browser.find_elements("css selector", f'[data-kind="front"] .{axis}tick')
    assert len(ticks) >= 3


def test_hovering_a_network_shows_its_id_and_where_its_latency_is_from(browser, study):
    restore(browser)
    finished = study[(study["state"] == "complete") & (study["family"] == "ds")]
    script = """
        const curve = plot.data.findIndex(trace => trace.name === "ds" && trace.mode === "markers");
        plot.scrollIntoView();
        Plotly.Fx.hover(plot, [{curveNumber: curve, pointNumber: 0}]);
        for (let i = 0; i < 50 && !plot.querySelector(".hovertext"); i++) {
            await new Promise(next => setTimeout(next, 100));
        }
        return plot.querySelector(".hovertext").textContent;
    """
    text = in_figure(browser, "front", script)
    assert finished["network_id"].iloc[0] in text
    assert "predicted by roofline" in text


def test_wide_tables_scroll_in_their_own_box(browser):
    boxes = browser.find_elements("css selector", ".scroll")
    assert boxes
    for box in boxes:
        assert box.rect["x"] + box.rect["width"] <= browser.execute_script("return innerWidth")
    if browser.execute_script("return innerWidth") < 500:
        script = "return arguments[0].scrollWidth > arguments[0].clientWidth"
        assert browser.execute_script(script, boxes[0])


def test_another_window_width_redraws_the_figures_to_fit(browser):
    before = browser.execute_script("return innerWidth")
    metrics = {"width": 390 if before > 500 else 1000, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    script = """
        for (let i = 0; i < 50; i++) {
            await new Promise(next => setTimeout(next, 100));
            const width = plot.querySelector(".main-svg").getBoundingClientRect().width;
            const fits = Math.abs(width - plot.clientWidth) < 2;
            if (fits && String(width < 640) === plot.dataset.narrow) return true;
        }
        return false;
    """
    assert in_figure(browser, "front", script) is True
    root = "document.documentElement"
    assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "width": before})

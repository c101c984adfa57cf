"""The report's HTML: escaping, tables, definition lists, figures, and the page around them."""

from __future__ import annotations

import contextlib
import html
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from bench.errors import RunError, UsageError

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1f2328; line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header, footer { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 22px; line-height: 1.25; margin: 64px 0 4px; padding-top: 16px;
  border-top: 2px solid #1f2328; }
section:first-child h2 { margin-top: 20px; }
h3 { font-size: 17px; margin: 36px 0 8px; }
h1, h2, h3, p, li, dd { overflow-wrap: anywhere; }
p { margin: 0 0 10px; max-width: 760px; }
.facts, figcaption, caption, footer { color: #57606a; font-size: 14px; }
.headline { margin: 16px 0 20px; padding: 0; list-style: none; max-width: 760px; }
.headline li { margin: 0 0 8px; }
.headline li:first-child { font-size: 19px; line-height: 1.4; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 12px 0 0; padding: 0; list-style: none; }
a { color: #0550ae; }
figure { margin: 0 0 8px; }
figcaption { max-width: 760px; margin-top: 4px; }
.plot { width: 100%; }
.scroll { overflow-x: auto; border: 1px solid #d0d7de; border-radius: 6px; margin: 0 0 8px; }
.scroll:focus-visible { outline: 2px solid #0550ae; outline-offset: 1px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding: 8px 12px 0; }
th, td { padding: 6px 12px; text-align: left; vertical-align: top; white-space: nowrap; }
thead th { white-space: normal; font-weight: 600; border-bottom: 1px solid #d0d7de; vertical-align: bottom; }
tbody tr + tr > * { border-top: 1px solid #eaeef2; }
.number { text-align: right; }
.long { white-space: normal; min-width: 260px; overflow-wrap: anywhere; }
.soft { color: #57606a; }
code, pre { font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
dl { display: grid; grid-template-columns: minmax(140px, max-content) minmax(0, 1fr); gap: 6px 20px;
  margin: 0; font-size: 15px; }
dt { font-weight: 600; }
dd { margin: 0; }
dd dl { padding-left: 12px; border-left: 2px solid #eaeef2; }
footer { margin-top: 56px; padding-top: 12px; padding-bottom: 40px; }
@media (max-width: 640px) {
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  h1 { font-size: 24px; }
  .headline li:first-child { font-size: 17px; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: 8px; }
}
@media print { .scroll { overflow: visible; border: 0; } figure, tr { break-inside: avoid; } }
"""

# Below 640 px the legend moves under the plot, and dragging scrolls the page instead of zooming.
SCRIPT = """
(function () {
  "use strict";
  function fit(spec, width) {
    var narrow = width < 640, layout = JSON.parse(JSON.stringify(spec.layout));
    var shown = spec.data.filter(function (trace) { return trace.name && trace.showlegend !== false; });
    layout.autosize = true;
    layout.width = undefined;
    layout.height = spec.layout.height || Math.max(560, 150 + 21 * shown.length);
    if (narrow) {
      var lengths = shown.map(function (trace) { return trace.name.length; });
      var longest = Math.max.apply(null, [6].concat(lengths));
      var entry = Math.round(5.7 * longest) + 2;
      var rows = Math.ceil(shown.length / Math.max(1, Math.floor((width - 60) / (entry + 46)))) + 1;
      var legend = shown.length === 0 ? 0 : 21 * rows + 16;
      layout.height = spec.layout.height || 400 + legend;
      layout.margin = Object.assign({}, layout.margin, { l: 44, r: 8 });
      var old = layout.legend || {};
      layout.legend = Object.assign({}, old, { orientation: "h", x: 0, xanchor: "left", xref: "container",
        y: 0, yref: "container", yanchor: "bottom", entrywidth: entry, entrywidthmode: "pixels",
        maxheight: Math.max(2, legend), font: { size: 11 },
        title: Object.assign({}, old.title, { side: "top" }) });
      layout.dragmode = false;
      layout.font = { size: 12 };
    }
    return layout;
  }
  function draw(node) {
    var spec = JSON.parse(document.getElementById(node.dataset.figure).textContent);
    var narrow = node.clientWidth < 640;
    var config = { displaylogo: false, responsive: false, displayModeBar: narrow ? false : "hover",
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
    node.dataset.narrow = narrow;
    return Plotly.newPlot(node, spec.data, fit(spec, node.clientWidth), config);
  }
  var nodes = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  nodes.forEach(draw);
  var waiting;
  window.addEventListener("resize", function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () {
      nodes.forEach(function (node) {
        if (String(node.clientWidth < 640) !== node.dataset.narrow) { draw(node); }
        else { Plotly.Plots.resize(node); }
      });
    }, 120);
  });
})();
"""


class Html(str):
    """Text that is markup already; every other text is escaped where it enters the page."""


def escape(text: object) -> Html:
    """`text` as markup that shows it literally; `Html` passes unchanged."""
    return text if isinstance(text, Html) else Html(html.escape(str(text), quote=True))


def tag(name: str, *children: object, **attributes: str) -> Html:
    """One element; children and attribute values are escaped, `class_` stands for class."""
    words = [f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()]
    return Html(f"<{name}{''.join(words)}>{''.join(escape(child) for child in children)}</{name}>")


def breakable(text: str) -> Html:
    """Code that a browser may break after each "/"."""
    return Html(f"<code>{'/<wbr>'.join(escape(part) for part in text.split('/'))}</code>")


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table in its own scrolling box. A column named ">x" holds numbers, "~x" long text, headed x."""
    classes = [{">": "number", "~": "long"}.get(column[:1], "") for column in columns]
    names = [column.lstrip(">~") for column in columns]
    head = [tag("th", n, scope="col", class_=c) for n, c in zip(names, classes, strict=True)]
    body = []
    for row in rows:
        cells = [tag("td", cell, class_=c) for cell, c in zip(row, classes, strict=True)]
        body.append(tag("tr", *cells))
    inner = tag("table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body))
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def definitions(pairs: Iterable[tuple[str, object]]) -> Html:
    """A definition list."""
    return tag("dl", *(part for term, text in pairs for part in (tag("dt", term), tag("dd", text))))


class Figures:
    """Numbers the figures of one page and puts each one's data beside it."""

    def __init__(self) -> None:
        self._ids = (f"figure-{n}" for n in itertools.count(1))

    def add(self, figure: go.Figure, label: str, caption: object = "") -> Html:
        """`figure` as an element with an accessible name `label` and a caption."""
        name = next(self._ids)
        data = str(figure.to_json(engine="json")).replace("<", "\\u003c").replace(">", "\\u003e")
        script = Html(f'<script type="application/json" id="{name}">{data}</script>')
        kind = (figure.layout.meta or {}).get("figure", "")
        plot = tag("div", class_="plot", data_figure=name, data_kind=kind, role="img", aria_label=label)
        return tag("figure", plot, script, *([tag("figcaption", caption)] if caption else []))


def page(title: str, header: Html, body: Sequence[Html]) -> str:
    """The whole document, with plotly inlined once; it loads nothing from anywhere."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            tag("title", title),
            f"<style>{CSS}</style>",
            "</head>",
            "<body>",
            header,
            tag("main", *body),
            f"<script>{get_plotlyjs()}</script>",
            f"<script>{SCRIPT}</script>",
            "</body>",
            "</html>\n",
        ]
    )


def check_page_path(path: str | Path) -> None:
    """Raise UsageError for a path that cannot be a page's file."""
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file, such as {target / 'report.html'}")
    if not target.parent.is_dir():
        raise UsageError(f"the folder {target.parent} does not exist; create it or choose another path")


def write_page(text: str, path: str | Path) -> Path:
    """Write a page, whole or not at all, and return its path. Raises RunError when writing fails."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise RunError(f"cannot write {target}: {error.strerror or error}; choose another path") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return target

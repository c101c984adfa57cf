"""The report's HTML: escaping, tables, definition lists, figures, and the page around them."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from blockfront.errors import UsageError


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


def _asset(name: str) -> str:
    return files("blockfront.analysis").joinpath("assets", name).read_text(encoding="utf-8")


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
            f"<style>\n{_asset('report.css')}</style>",
            "</head>",
            "<body>",
            header,
            tag("main", *body),
            f"<script>{get_plotlyjs()}</script>",
            f"<script>\n{_asset('report.js')}</script>",
            "</body>",
            "</html>\n",
        ]
    )


def check_page_path(path: str | Path) -> Path:
    """The path of a page's file. Raises UsageError for one that cannot be that."""
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file, such as {target / 'report.html'}")
    if not target.parent.is_dir():
        raise UsageError(f"the folder {target.parent} does not exist; create it or choose another path")
    return target

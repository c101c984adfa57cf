"""What was found out of configurations, kept in a file as it comes, so that a search that is stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from blockfront.anchors.slots import Removed
from blockfront.files import explaining

Numbers = tuple[float, ...]


class Memo:
    """Numbers by configuration, a line of JSON each; a line that was cut short by a kill is as good as none.

    Whoever names the file answers for it that the numbers are of one thing. Raises `RunError` for a file that cannot
    be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known: dict[Removed, Numbers] = {}
        if not path.is_file():
            return
        text = path.read_text(errors="replace")
        for line in text.splitlines():
            try:
                removed, numbers = json.loads(line)
                self.known[frozenset(map(int, removed))] = tuple(map(float, numbers))
            except (TypeError, ValueError):
                continue
        if text and not text.endswith("\n"):
            self._append("\n")

    def of(self, removed: Removed, find: Callable[[], Numbers]) -> Numbers:
        """The numbers of a configuration, found and kept if they are not known."""
        if removed not in self.known:
            self.known[removed] = find()
            self._append(json.dumps([sorted(removed), self.known[removed]]) + "\n")
        return self.known[removed]

    def _append(self, text: str) -> None:
        with explaining(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(text)

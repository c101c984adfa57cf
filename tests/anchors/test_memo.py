"""What a search found out is kept, so that one that is stopped goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.anchors import Memo, Removed, Rules, Slots, search_anchors

SLOTS = Slots((3, 2, 2))
WORTH = (0.01, -0.004, 0.002, 0.03, 0.0, 0.01, 0.02)


def price(removed: Removed) -> float:
    return float(sum(3 - slot // 3 for slot in range(7) if slot not in removed))


class Measured:
    """A search whose measurements are kept in a file, and may be interrupted after some."""

    def __init__(self, path: Path, until: int | None = None) -> None:
        self.memo, self.until, self.asked = Memo(path), until, 0

    def __call__(self, removed: Removed, parent: Removed) -> tuple[float, ...]:
        return self.memo.of(removed, self._measure(removed))

    def _measure(self, removed: Removed):
        def find() -> tuple[float, ...]:
            if self.asked == self.until:
                raise KeyboardInterrupt
            self.asked += 1
            return (0.6 - sum(WORTH[slot] for slot in removed), 0.5)

        return find


def test_a_search_that_was_stopped_goes_on_to_the_same_front(tmp_path: Path) -> None:
    rules = Rules(shortcuts=False, least=0.5)
    whole = Measured(tmp_path / "whole.jsonl")
    expected = search_anchors(SLOTS, whole, price, rules)
    file = tmp_path / "folder" / "memo.jsonl"
    asked = 0
    for until in (1, 5, 9):
        stopped = Measured(file, until)
        with pytest.raises(KeyboardInterrupt):
            search_anchors(SLOTS, stopped, price, rules)
        asked += stopped.asked
        # As if the last line had been cut short by a kill.
        file.write_bytes(file.read_bytes()[:-4])
        asked -= 1
    last = Measured(file)
    assert search_anchors(SLOTS, last, price, rules) == expected
    assert asked + last.asked == whole.asked
    again = Measured(file, 0)
    assert search_anchors(SLOTS, again, price, rules) == expected

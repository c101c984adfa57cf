"""Numbers of things in words, wherever the product has any."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from blockfront.plurals import counted
from blockfront.sweep.shipped import _FOLDERS
from tests.product import FOLDERS, ROOT

PREDICTING = [ROOT / "targets" / folder for folder in _FOLDERS]
"""Sources that shipped latencies follow from, in which any change makes those be predicted anew."""
NOUNS = (
    "accuracies annotations attempts blocks boards boxes bytes candidates categories cells channels classes "
    "columns configurations cores cycles devices draws epochs families files groups heads images kernels "
    "latencies layers levels masks minutes networks notes numbers operators options outputs pictures points "
    "processes profiles rows samples seconds settings slots stages steps studies tensors threads tokens "
    "trainings trials visits words workers"
)
PLURAL = re.compile(rf" (?:(?!with |gives |in |has |of |changes )[a-z]+ )?(?:{'|'.join(NOUNS.split())})\b(?!')")
MANY = re.compile(r"[A-Z_. 0-9/]+|.*(?:join|listed|quote|format_\w+)\(.*|.*\b(?:label|noun|kind|file|kept|target|name)")
"""Constants above 1, and what is no number."""
ALWAYS_SEVERAL = {
    "all {count} devices with key",
    "{case[1]} channels with stride",
    "{count} outputs of the module are called",
    "{found} tokens before attention and MLP",
    "{len(rows)} other families take",
    "{self.counts} slots",
    "{self.heads} heads do not divide",
}
"""What is said only of two or more, or of a list."""


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [
        (0, "thread", "0 threads"),
        (1, "thread", "1 thread"),
        (2, "test image", "2 test images"),
        (1, "family", "1 family"),
        (3, "family", "3 families"),
        (2, "class", "2 classes"),
        (2, "box", "2 boxes"),
        (2, "way", "2 ways"),
        (2, "epoch", "2 epochs"),
        (2, "branch", "2 branches"),
        (2, "batch", "2 batches"),
    ],
)
def test_one_thing_is_no_plural(n: int, noun: str, said: str) -> None:
    assert counted(n, noun) == said


def unsure(path: Path) -> list[str]:
    """Texts of a source in which a number stands before a plural, whatever the number is."""
    found = []
    for text in ast.walk(ast.parse(path.read_text())):
        if not isinstance(text, ast.JoinedStr):
            continue
        whole = ast.unparse(text)[2:-1]
        for value, after in zip(text.values, text.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)):
                continue
            number = ast.unparse(value.value)
            if PLURAL.match(str(after.value)) and not MANY.fullmatch(number) and value.format_spec is None:
                found.append(f"{{{number}}}{after.value} in {whole}")
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_text_has_a_plural_after_a_number_that_may_be_one(folder: str) -> None:
    sources = (path for path in sorted((ROOT / folder).rglob("*.py")) if not set(path.parents) & set(PREDICTING))
    found = [text for path in sources for text in unsure(path)]
    assert [text for text in found if not any(known in text for known in ALWAYS_SEVERAL)] == []

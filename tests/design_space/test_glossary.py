"""The glossary of docs/networks.md: every block, and networks that there are."""

from __future__ import annotations

import re
from pathlib import Path

from blockfront.blocks import BLOCKS
from blockfront.design_space.listing import expand

DOCUMENT = Path(__file__).parents[2] / "docs" / "networks.md"


def test_every_block_has_its_published_networks_and_all_of_these_exist():
    glossary = DOCUMENT.read_text().partition("## Which block is in which network")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", glossary, flags=re.MULTILINE)
    assert {block for block, _ in rows} == {*BLOCKS, "vit"}
    for _, networks in rows:
        for name in re.findall(r"`([^`]+)`", networks):
            assert expand([name if "*" in name else f"{name}*"])

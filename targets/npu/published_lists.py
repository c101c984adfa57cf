"""What vendors publish of the operators their NPUs take, one file a vendor in `lists/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from blockfront.errors import unknown
from blockfront.targets.npu.uses import Use

LISTS = Path(__file__).parent / "lists"


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that a list was read from: where it is, its version and date, and what it says."""

    where: str
    version: str
    date: str
    says: str


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a document allows of a size; `at_least` and `at_most` are allowed themselves."""

    at_least: int | None = None
    at_most: int | None = None
    multiple_of: int | None = None
    one_of: tuple[int, ...] | None = None

    def broken(self, value: int) -> str | None:
        """What `value` breaks, as a sign and a number; None where it is allowed."""
        if self.at_least is not None and value < self.at_least:
            return f"< {self.at_least}"
        if self.at_most is not None and value > self.at_most:
            return f"> {self.at_most}"
        if self.multiple_of is not None and value % self.multiple_of:
            return f"no multiple of {self.multiple_of}"
        if self.one_of is not None and value not in self.one_of:
            return f"none of {', '.join(map(str, self.one_of))}"
        return None


Bounds = Mapping[str, Bound]
"""By the size that they are put on; a product is written as `height*width`."""


class ListEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"operators": "as"}):
    """What a document says of one kind of operator: exactly one of `operators`, `processor` and `not_said`.

    `operators`: the vendor's names of what the NPU runs for it, within `limits`; nothing where no operator is left of
    it. `variants`: the limits of each variant that is taken, where not all are, null for one that the document leaves
    open, and `otherwise` why the rest falls back. `processor`: why all of it falls back; `not_said`: what is left open.
    """

    operators: str | None = None
    limits: Bounds = {}
    variants: Mapping[str, Bounds | None] | None = None
    otherwise: str | None = None
    processor: str | None = None
    not_said: str | None = None

    def __post_init__(self) -> None:
        stated = [one for one in (self.operators, self.processor, self.not_said) if one is not None]
        if len(stated) != 1:
            raise ValueError("an entry states exactly one of as, processor and not_said")


class NpuList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An NPU's list: `operators` by torch's names of them (see `Use`), and `others` for every other kind.

    `limits` hold for each operator; `one_piece`: why whatever reads from an operator that falls back does so too;
    `also`: names of other chips and configurations that the same list is for.
    """

    title: str
    operators: Mapping[str, ListEntry]
    others: ListEntry
    sizes: str
    limits: Bounds = {}
    one_piece: str | None = None
    also: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    vendor: str = ""
    name: str = ""

    def entry(self, kind: str) -> ListEntry:
        """What is said of a kind of operator."""
        return self.operators.get(kind, self.others)


class _Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    vendor: str
    documents: tuple[Document, ...]
    npus: Mapping[str, NpuList]
    shared: Any = None
    """Anchors that several NPUs refer to."""


@cache
def known_npus() -> Mapping[str, NpuList]:
    """Every NPU that there is a list of, by name."""
    found: dict[str, NpuList] = {}
    for file in sorted(LISTS.glob("*.yaml")):
        vendor = msgspec.yaml.decode(file.read_bytes(), type=_Vendor)
        for name, npu in vendor.npus.items():
            found[name] = msgspec.structs.replace(npu, name=name, vendor=vendor.vendor, documents=vendor.documents)
    return found


def get_npu(name: str) -> NpuList:
    """The list for the NPU of that name; raises UsageError with near names."""
    lists = {named: one for one in known_npus().values() for named in (one.name, *one.also)}
    if name not in lists:
        raise unknown("NPU", name, lists, otherwise="bench check --list has them all")
    return lists[name]


def broken_bound(bounds: Bounds, use: Use) -> str | None:
    """The first size of a use that is out of bounds, such as "kernel_h 9 > 8"; None where all are within.

    A bound on a size that the use has not is none.
    """
    for size, bound in bounds.items():
        names = size.split("*")
        if all(name in use.sizes for name in names):
            value = prod(use.sizes[name] for name in names)
            if (how := bound.broken(value)) is not None:
                return f"{size} {value} {how}"
    return None

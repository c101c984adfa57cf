"""A named collection of one kind of thing, such as blocks or targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from blockfront.errors import UsageError, unknown

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Names to things. Looking up an unknown name raises `UsageError` with the nearest known names."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> T:
        """Register `item`; a name already taken by something else raises `UsageError`."""
        taken = self._items.get(name)
        if taken is not None and taken is not item:
            raise UsageError(f"{self.kind} {name!r} is already registered; choose another name")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> T:
        if name in self._items:
            return self._items[name]
        raise unknown(self.kind, name, sorted(self._items))

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

"""A named collection of one kind of thing, such as blocks or targets, that other distributions may add to."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Generic, TypeVar

from blockfront.errors import UsageError, first_line, unknown

T = TypeVar("T")

PLUGINS = "blockfront."
"""How the names of the entry points' groups begin."""


class Registry(Mapping[str, T], Generic[T]):
    """Names to things. Looking up an unknown name raises `UsageError` with the nearest known names.

    A distribution adds things by entry points of the group `blockfront.KIND`, where KIND is `kind` with `_` for a
    space: the name is the thing's, the value a module that registers it. That module is imported when the name is
    first looked up, which raises `UsageError` if it fails, or all are listed, which leaves it out with a warning.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._failures: dict[str, UsageError] = {}
        self._tried: set[str] = set()

    def add(self, name: str, item: T) -> T:
        """Register `item`; a name already taken by something else raises `UsageError`."""
        taken = self._items.get(name)
        if taken is not None and taken is not item:
            raise UsageError(f"{self.kind} {name!r} is already registered; choose another name")
        self._items[name] = item
        return item

    def remove(self, name: str) -> None:
        """Forget what was registered under `name`."""
        del self._items[name]

    @property
    def registered(self) -> Mapping[str, T]:
        """What is registered so far, with no plug-in imported for it."""
        return MappingProxyType(self._items)

    def __getitem__(self, name: str) -> T:
        if name not in self._items and name in self._plugins:
            self._load(name)
        if name in self._items:
            return self._items[name]
        if name.endswith(".py"):
            raise UsageError(f"{self.kind} {name!r} lacks its name in the file; write {name}:NAME")
        raise unknown(self.kind, name, sorted({*self._items, *self._plugins}))

    def __contains__(self, name: object) -> bool:
        return name in self._items or name in self._plugins

    def __iter__(self) -> Iterator[str]:
        self._load_all()
        return iter(self._items)

    def __len__(self) -> int:
        self._load_all()
        return len(self._items)

    @cached_property
    def _plugins(self) -> dict[str, list[EntryPoint]]:
        """What distributions offer, by name; more than one may offer the same."""
        found: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=PLUGINS + self.kind.replace(" ", "_")):
            found.setdefault(point.name, []).append(point)
        return found

    def _load_all(self) -> None:
        for name in self._plugins:
            if name in self._tried:
                continue
            try:
                self._load(name)
            except UsageError as error:
                logging.getLogger("blockfront").warning("warning: %s; it is left out", error)

    def _load(self, name: str) -> None:
        """Import what offers `name`, once; raises `UsageError` every time if it failed."""
        if name in self._failures:
            raise self._failures[name]
        if name in self._tried:
            return  # Its own import asks for it.
        self._tried.add(name)
        before = dict(self._items)
        try:
            self._import(name, self._plugins[name])
        except UsageError as error:
            self._items.clear()
            self._items.update(before)
            self._failures[name] = error
            raise

    def _import(self, name: str, points: list[EntryPoint]) -> None:
        owners = " and ".join(sorted(point.dist.name if point.dist else "?" for point in points))
        if len(points) > 1:
            raise UsageError(f"{self.kind} {name!r} is offered by {owners}; uninstall all but one")
        try:
            points[0].load()
        except (Exception, SystemExit) as error:
            reason = str(error) if isinstance(error, UsageError) else first_line(error)
            raise UsageError(f"{self.kind} {name!r} of the distribution {owners} does not load: {reason}") from error
        if name not in self._items:
            raise UsageError(
                f"the distribution {owners} offers the {self.kind} {name!r}, which {points[0].value} does not register"
            )


def plugin_versions() -> dict[str, str]:
    """The distributions that offer anything to a registry, and their versions."""
    groups = [group for group in entry_points().groups if group.startswith(PLUGINS)]
    points = [point for group in groups for point in entry_points(group=group)]
    return {point.dist.name: point.dist.version for point in points if point.dist}

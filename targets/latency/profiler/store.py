"""Profiles on disk, under the hash of everything they depend on."""

from __future__ import annotations

import msgspec

from blockfront.content_store import ContentStore, cache_folder
from blockfront.targets.latency.profiler.counts import Profile

LIMIT_BYTES = 256 * 1024**2


class ProfileStore:
    """Profiles by key in a folder of the cache, about `LIMIT_BYTES` of them."""

    def __init__(self, folder: str) -> None:
        self._files = ContentStore(cache_folder() / folder, LIMIT_BYTES)

    def get(self, key: str) -> Profile | None:
        """The profile under `key`; None when it is absent or damaged."""
        try:
            return msgspec.msgpack.decode(self._files.read(key), type=Profile)
        except (OSError, msgspec.MsgspecError):
            return None

    def put(self, key: str, profile: Profile) -> None:
        """Keep a profile."""
        self._files.write(key, msgspec.msgpack.encode(profile))

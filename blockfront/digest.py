"""Hashes that stand for what they are of: identities, and the names under which results are kept."""

from __future__ import annotations

import hashlib


def digest(content: str | bytes, digits: int = 64) -> str:
    """The first hexadecimal digits of the SHA-256 of some content (text as UTF-8); without `digits` all 64."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:digits]

"""Numbers of things in words."""

from __future__ import annotations

_HISSING = ("s", "x", "sh", "nch", "tch")


def counted(n: int, noun: str) -> str:
    """A number and its noun, whose last word is plural unless there is one: 1 family, 2 families, 0 test images."""
    if n == 1:
        return f"{n} {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{n} {noun[:-1]}ies"
    return f"{n} {noun}{'es' if noun.endswith(_HISSING) else 's'}"

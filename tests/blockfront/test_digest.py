"""Digests are those that any other program computes."""

from __future__ import annotations

from blockfront.digest import digest

# FIPS 180-2, appendix B.1
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_text_and_its_bytes_have_the_published_sha256() -> None:
    assert digest("abc") == digest(b"abc") == ABC


def test_fewer_digits_are_the_first_ones() -> None:
    assert digest("abc", 12) == ABC[:12]


def test_text_is_hashed_as_utf_8() -> None:
    assert digest("µ") == digest(b"\xc2\xb5")

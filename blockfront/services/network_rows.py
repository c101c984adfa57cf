"""Which network a row of a sheet is of, where a spreadsheet has taken ids for numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from blockfront.errors import UsageError

_NUMBER = re.compile(r"\d+(?:[.,]\d*)?(?:e\+?\d+)?", re.ASCII | re.IGNORECASE)
_LIKE_A_NUMBER = re.compile(r"\d+(?:e\d+)?", re.ASCII)


def identify(network_id: str | None, file: str | None, known: Mapping[str, str], line: int) -> str | None:
    """The one of the `known` networks, files by ids, that a row's id and file, as far as it has them, are of.

    >>> identify("6.97781E+11", None, {"697780558176": "697780558176.onnx", "1234e5678901": "1234e5678901.onnx"}, 2)
    '697780558176'

    None where they are of none, or the id is a number that several round to. Raises UsageError, with the line, where
    they are of two.
    """
    by_file = next((one for one, path in known.items() if file is not None and _is_file(file, path)), None)
    by_id = [] if network_id is None else _meant(network_id, known)
    if by_file is None:
        return by_id[0] if len(by_id) == 1 else None
    if by_id and by_file not in by_id:
        raise UsageError(
            f"line {line}: {network_id} and {file} are two networks: was a column sorted or moved without the others?"
        )
    return by_file


def _is_file(text: str, path: str) -> bool:
    plain = text.replace("\\", "/")
    return plain == path or plain.endswith(f"/{path}")


def _meant(text: str, known: Mapping[str, str]) -> list[str]:
    """The networks whose id a text is, or else may have been."""
    plain = text.lower().removesuffix(".onnx")
    return [plain] if plain in known else [network_id for network_id in known if _becomes(network_id, text)]


def _becomes(network_id: str, text: str) -> bool:
    """Whether an id, taken for a number, is a text when it is rounded to the digits of that."""
    if not _NUMBER.fullmatch(text) or not _LIKE_A_NUMBER.fullmatch(network_id):
        return False
    shown = Decimal(text.replace(",", "."))
    form = f".{len(shown.as_tuple().digits) - 1}e"
    return format(shown, form) == format(Decimal(network_id), form)

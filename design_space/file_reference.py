"""Names of models that are files: a function of a Python file, an exported network, or a file of weights."""

from __future__ import annotations

import posixpath

from blockfront.design_space.models import MODEL_FILES
from blockfront.python_file import is_file_reference


def file_of(name: str) -> str | None:
    """The path of the file that a model's name begins with; None where it names none.

    >>> file_of("nets/mine.py:net"), file_of("resnet18.v2.onnx"), file_of("resnet18.a1_in1k")
    ('nets/mine.py', 'resnet18.v2.onnx', None)
    """
    path = name.rpartition(":")[0] if is_file_reference(name) else name
    return path if path.lower().endswith((".py", *MODEL_FILES)) else None


def is_same_file(one: str, other: str) -> bool:
    """Whether two names of models are of one file, each written with some of its folders or none, and one function.

    >>> is_same_file("nets/mine.py:net", "mine.py:net"), is_same_file("mine.py:net", "mine.py:other")
    (True, False)
    """
    if file_of(one) is None or file_of(other) is None:
        return False
    shorter, longer = sorted((_parts(one), _parts(other)), key=len)
    return longer[-len(shorter) :] == shorter


def stem_of(path: str) -> str:
    """A file's name without its folders and its extension."""
    return posixpath.splitext(_parts(path)[-1])[0]


def _parts(path: str) -> list[str]:
    return [part for part in posixpath.normpath(path.replace("\\", "/")).split("/") if part]

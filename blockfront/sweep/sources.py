"""What a Python source says to a computer: changes of its comments and docstrings change nothing that it makes."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import TypeGuard


def plain_source(source: str) -> str:
    """The source without comments, docstrings and empty lines, the same whichever Python reads it."""
    lines = source.splitlines()
    inside: set[int] = set()  # Lines that begin within a string.
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, column), (last, _) = token.start, token.end
        inside.update(range(row, last))
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for statement in ast.walk(ast.parse(source)):
        if _documents(statement) and lines[statement.lineno - 1].lstrip()[0] in "\"'":
            place = range(statement.lineno - 1, statement.end_lineno or statement.lineno)
            inside.difference_update(place)
            lines[place.start : place.stop] = [""] * len(place)
    return "\n".join(line for row, line in enumerate(lines) if line.strip() or row in inside)


def _documents(node: ast.AST) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)

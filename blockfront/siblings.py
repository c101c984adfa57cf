"""How the user's Python files import each other: by plain names, which no two folders share in a process.

A file is a module of a package that is named for its folder, or for the first folder above that is no package:
`layers`, imported by a file there, is `bench_file_….layers`, and the `layers` of another folder is another module.
"""

from __future__ import annotations

import builtins
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from os.path import samefile
from pathlib import Path
from types import ModuleType
from typing import Any

from blockfront.digest import digest

_PREFIX = "bench_file_"
_NAMES = re.compile(rf"{_PREFIX}\w+?\.")


def names(file: Path) -> tuple[str, str]:
    """The names of the package that `file` is in and of the module it is; the folder they start from is known then."""
    root = file.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    base = _PREFIX + digest(str(root), 12)
    if base not in sys.modules:
        sys.modules[base] = module_from_spec(ModuleSpec(base, None, is_package=True))
        sys.modules[base].__path__ = [str(root)]
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    importlib.invalidate_caches()
    package = ".".join([base, *file.parent.relative_to(root).parts])
    return package, package if file.stem == "__init__" else f"{package}.{file.stem.replace('.', '_')}"


def load_beside(name: str, file: Path) -> ModuleType:
    """Run `file` as the module `name`, which is forgotten if it fails."""
    loader = _Loader(name, str(file))
    spec = spec_from_file_location(name, file, loader=loader)
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def plain(text: str) -> str:
    """`text` with the modules' names as the user writes them."""
    return _NAMES.sub("", text)


class _Loader(SourceFileLoader):
    """Gives a module an `import` that looks beside it first, also when a function of it runs later."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_PREFIX):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    package = (globals or {}).get("__package__") or ""
    if level == 0 and package.startswith(_PREFIX):
        for beside in dict.fromkeys((package, package.partition(".")[0])):
            if _is_meant(name.partition(".")[0], beside, (globals or {}).get("__file__")):
                return builtins.__import__(name, {"__package__": beside}, locals, fromlist, 1)
    return builtins.__import__(name, globals, locals, fromlist, level)


def _is_meant(name: str, package: str, importer: str | None) -> bool:
    """Whether `name` is a module of `package`, not one that every file knows by that name.

    Raises `ImportError` where it is both; of a folder without a Python file of that name, the installed one is meant.
    """
    spec = PathFinder.find_spec(f"{package}.{name}", sys.modules[package].__path__)
    if spec is None or spec.origin == importer:
        return False
    known = getattr(sys.modules.get(name), "__file__", None)
    same = known is not None and spec.origin is not None and samefile(known, spec.origin)
    installed = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    if name not in sys.stdlib_module_names and PathFinder.find_spec(name, installed) is None:
        return not same
    if spec.origin is not None and not same:
        raise ImportError(
            f"{Path(spec.origin).name} beside it has the name of an installed module: "
            f"rename it, or write `from . import {name}`"
        )
    return False

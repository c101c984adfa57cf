"""A compiled network as a C library that needs neither Python nor TVM."""

from blockfront.targets.library.checking import run_library
from blockfront.targets.library.detecting import BoxPrograms
from blockfront.targets.library.making import Library, c_triple, make_library

__all__ = ["BoxPrograms", "Library", "c_triple", "make_library", "run_library"]

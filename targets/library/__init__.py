"""A compiled network as a C library that needs neither Python nor TVM."""

from blockfront.targets.library.interface import Interface
from blockfront.targets.library.making import Library, make_library

__all__ = ["Interface", "Library", "make_library"]

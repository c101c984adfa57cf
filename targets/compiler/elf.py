"""Object files in ELF, as far as a linker is not asked: how large a kernel's code is, and which symbols others see."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_SYMTAB, _RELA, _REL, _GROUP = 2, 4, 9, 17
_ALLOCATED = 2
_FUNCTION = 2
_LOCAL, _UNDEFINED = 0, 0


@dataclass(frozen=True)
class _Format:
    """Where the fields of ELF's structures are, in files of 64 and of 32 bits (System V ABI, chapter 4)."""

    sections_at: int  # e_shoff
    sections: int  # e_shentsize, e_shnum and e_shstrndx
    word: str
    section: struct.Struct
    symbol: struct.Struct
    # The symbol's number is in the upper bits of r_info.
    info_at: int
    symbol_shift: int


_FORMATS = {
    2: _Format(40, 58, "<Q", struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ"), 8, 32),
    1: _Format(32, 46, "<I", struct.Struct("<IIIIIIIIII"), struct.Struct("<IIIBBH"), 4, 8),
}


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    entry_bytes: int
    header_at: int


@dataclass(frozen=True)
class _Symbol:
    name: str
    address: int
    size: int
    kind: int
    binding: int
    section: int
    raw: bytes


class ObjectFile:
    """A relocatable ELF file for a little-endian processor."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._format = _FORMATS[content[4]]
        (start,) = struct.unpack_from(self._format.word, content, self._format.sections_at)
        size, count, names = struct.unpack_from("<HHH", content, self._format.sections)
        headers = [
            (start + i * size, self._format.section.unpack_from(content, start + i * size)) for i in range(count)
        ]
        self._sections = [
            _Section(self._text(headers[names][1][4] + name), kind, flags, offset, length, link, info, entry, at)
            for at, (name, kind, flags, _, offset, length, link, info, _, entry) in headers
        ]
        self._symtab = next(section for section in self._sections if section.kind == _SYMTAB)
        self._symbols = self._read_symbols()

    def code_bytes(self, symbol: str) -> int:
        """Bytes of a kernel's machine code: TVM's entry point for it, and the functions from its loops to the next."""
        starts = {s.name: s for s in self._symbols if s.name.startswith("__tvm_ffi_") or s.name.endswith("_compute_")}
        body = starts[f"{symbol}_compute_"]
        later = [s.address for s in starts.values() if s.section == body.section and s.address > body.address]
        end = min(later, default=self._sections[body.section].size)
        return starts[f"__tvm_ffi_{symbol}"].size + end - body.address

    def loaded_bytes(self) -> dict[str, int]:
        """Bytes of each section that is in memory when the code runs, by its name."""
        found: dict[str, int] = {}
        for section in self._sections:
            if section.flags & _ALLOCATED:
                found[section.name] = found.get(section.name, 0) + section.size
        return found

    def functions(self) -> Iterator[slice]:
        """Where in the file each function with a symbol is, and those without that follow it: bodies of loops."""
        found = [s for s in self._symbols if s.kind == _FUNCTION and s.section != _UNDEFINED]
        for section in {symbol.section for symbol in found}:
            offset, size = self._sections[section].offset, self._sections[section].size
            starts = sorted({symbol.address for symbol in found if symbol.section == section})
            for start, end in zip(starts, [*starts[1:], size], strict=True):
                yield slice(offset + start, offset + end)

    def undefined(self) -> set[str]:
        """Symbols that others must bring."""
        return {symbol.name for symbol in self._symbols if symbol.name and symbol.section == _UNDEFINED}

    def defined(self) -> set[str]:
        """Symbols that others see."""
        return {symbol.name for symbol in self._symbols if symbol.binding != _LOCAL and symbol.section != _UNDEFINED}

    def hiding(self, keep: Callable[[str], bool], relocations: Mapping[int, int] | None = None) -> bytes:
        """The file with every symbol that it defines made local but those to `keep`, so that none clashes.

        `relocations` are kinds of them, and what each becomes.
        Local symbols come first in ELF, and relocations name symbols by their number, so both are written anew.
        """
        local = [
            symbol.binding == _LOCAL or (symbol.section != _UNDEFINED and not keep(symbol.name))
            for symbol in self._symbols
        ]
        order = sorted(range(len(local)), key=lambda number: not local[number])
        places = {number: place for place, number in enumerate(order)}
        found = bytearray(self.content)
        form, at = self._format, self._symtab.offset
        for place, number in enumerate(order):
            raw = bytearray(self._symbols[number].raw)
            if local[number]:
                info = 4 if form.symbol.size == 24 else 12
                raw[info] &= 0x0F
            found[at + place * len(raw) : at + (place + 1) * len(raw)] = raw
        self._set_info(found, self._symtab, sum(local))
        for section in self._sections:
            if section.kind == _GROUP:
                self._set_info(found, section, places[section.info])
            if section.kind not in (_RELA, _REL):
                continue
            for entry in range(section.offset, section.offset + section.size, section.entry_bytes):
                (info,) = struct.unpack_from(form.word, found, entry + form.info_at)
                kind = info & ((1 << form.symbol_shift) - 1)
                kind = (relocations or {}).get(kind, kind)
                number = places[info >> form.symbol_shift]
                struct.pack_into(form.word, found, entry + form.info_at, number << form.symbol_shift | kind)
        return bytes(found)

    def _set_info(self, content: bytearray, section: _Section, info: int) -> None:
        fields = list(self._format.section.unpack_from(content, section.header_at))
        fields[7] = info
        self._format.section.pack_into(content, section.header_at, *fields)

    def _read_symbols(self) -> list[_Symbol]:
        names = self._sections[self._symtab.link].offset
        size = self._format.symbol.size
        found = []
        for at in range(self._symtab.offset, self._symtab.offset + self._symtab.size, size):
            raw = self.content[at : at + size]
            fields = self._format.symbol.unpack(raw)
            name, info, _, section, address, length = fields if size == 24 else [fields[i] for i in (0, 3, 4, 5, 1, 2)]
            found.append(_Symbol(self._text(names + name), address, length, info & 15, info >> 4, section, raw))
        return found

    def _text(self, at: int) -> str:
        return self.content[at : self.content.index(b"\0", at)].decode()

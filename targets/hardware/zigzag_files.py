"""What ZigZag's files say of an accelerator, read and checked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from math import ceil, prod
from pathlib import Path
from typing import Any

from blockfront.digest import digest
from blockfront.errors import UsageError, why_unreadable

SHIPPED = "zigzag:"
"""What the name of a file begins with that ZigZag's package brings, under its folder of inputs."""
OURS = "bench:"
"""The same for the few that the catalogue brings."""
INSTALL = "pip install 'zigzag-dse==3.9.*' six"
"""What brings the simulator: the packages of the extra `accelerators`."""


@dataclass(frozen=True)
class Memory:
    """The memory that activations come from and go to: bits a cycle, and pJ an access of that many bits."""

    read_bits: int
    write_bits: int
    one_port: bool
    read_pj: float
    write_pj: float

    def cycles(self, read: int, written: int) -> int:
        """To read and write so many bits, one after the other where one port does both."""
        times = ceil(read / self.read_bits), ceil(written / self.write_bits)
        return sum(times) if self.one_port else max(times)

    def energy_pj(self, read: int, written: int) -> float:
        """Of the same."""
        return ceil(read / self.read_bits) * self.read_pj + ceil(written / self.write_bits) * self.write_pj


@dataclass(frozen=True)
class Description:
    """The text of an accelerator's two files, so that it can be sent to another machine."""

    hardware: str
    mapping: str

    @property
    def hash(self) -> str:
        """Of both files."""
        return digest(f"{self.hardware}\0{self.mapping}")


@dataclass(frozen=True)
class AcceleratorModel:
    """A description as ZigZag's objects: `accelerator` is its accelerator, `mapping` its checked list of mappings.

    `macs_per_cycle` is the array's size.
    """

    accelerator: Any
    mapping: Any
    macs_per_cycle: int
    memory: Memory


def installed() -> bool:
    """Whether ZigZag is there."""
    return find_spec("zigzag") is not None and find_spec("six") is not None


@cache
def zigzag_version() -> str:
    """Version of the installed package."""
    return version("zigzag-dse")


def read_description(name: str, hardware: str, mapping: str) -> Description:
    """The files of target `name`. Raises `UsageError` when ZigZag is not installed or a file cannot be read."""
    _require_zigzag(name)
    return Description(_text(name, "hardware", hardware), _text(name, "mapping", mapping))


def _require_zigzag(target: str) -> None:
    if not installed():
        raise UsageError(f"target {target} needs the simulator ZigZag: {INSTALL}")


def _text(target: str, role: str, file: str) -> str:
    path = _path(file)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"target {target}: {role} file {path} cannot be read: {why_unreadable(error)}") from error


def _path(name: str) -> Path:
    if name.startswith(OURS):
        return Path(__file__).parent / "catalogue" / name.removeprefix(OURS)
    if not name.startswith(SHIPPED):
        return Path(name).expanduser()
    spec = find_spec("zigzag")
    assert spec is not None, "checked before"
    folder = next(iter(spec.submodule_search_locations or ()))
    return Path(folder, "inputs", name.removeprefix(SHIPPED))


@cache
def load_model(description: Description, name: str) -> AcceleratorModel:
    """ZigZag's objects for the files of target `name`.

    Raises `UsageError` when ZigZag is not installed here, and for what is wrong in a file.
    """
    _require_zigzag(name)
    from zigzag.parser.accelerator_factory import AcceleratorFactory
    from zigzag.parser.accelerator_validator import AcceleratorValidator
    from zigzag.parser.mapping_validator import MappingValidator

    hardware = _checked(name, "hardware", description.hardware, AcceleratorValidator)
    mapping = _checked(name, "mapping", description.mapping, MappingValidator)
    array = hardware["operational_array"]
    if array["is_imc"]:
        raise UsageError(f"target {name}: hardware file: arrays that compute in memory are not supported")
    if any(memory["auto_cost_extraction"] for memory in hardware["memories"].values()):
        raise UsageError(f"target {name}: hardware file: give r_cost and w_cost instead of auto_cost_extraction")
    foreign = {
        dimension
        for entry in mapping
        for key in ("spatial_mapping", "spatial_mapping_hint")
        for dimension in entry.get(key) or {}
        if dimension not in array["dimensions"]
    }
    if foreign:
        known = ", ".join(array["dimensions"])
        raise UsageError(f"target {name}: mapping file: the array has {known}, not {', '.join(sorted(foreign))}")
    try:
        accelerator = AcceleratorFactory(hardware).create()
        memory = _top_memory(accelerator, mapping)
    except Exception as error:
        raise UsageError(f"target {name}: hardware file: ZigZag takes it for no accelerator: {_line(error)}") from error
    return AcceleratorModel(accelerator, mapping, prod(array["sizes"]), memory)


def _checked(name: str, role: str, text: str, validator_class: Any) -> Any:
    """The normalised content of a file that passes ZigZag's own checks."""
    import yaml

    with quiet() as complaints:
        try:
            validator = validator_class(yaml.safe_load(text))
            sound = validator.validate()
        except Exception as error:
            raise UsageError(f"target {name}: {role} file: {_line(error)}") from error
    if not sound:
        raise UsageError(f"target {name}: {role} file: {' '.join(complaints)[:500]}")
    return validator.normalized_data


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")[:300]


def _top_memory(accelerator: Any, mapping: Any) -> Memory:
    """The outermost memory of inputs and of outputs."""
    from zigzag.datatypes import MemoryOperand
    from zigzag.mapping.data_movement import DataDirection

    links = next(entry for entry in mapping if entry["name"] == "default")["memory_operand_links"]
    operands = [MemoryOperand(links[operand]) for operand in ("I", "O")]
    directions = DataDirection.RD_OUT_TO_LOW, DataDirection.WR_IN_BY_LOW
    levels = [accelerator.memory_hierarchy.get_operand_top_level(operand) for operand in operands]
    (source, sink), (read, written) = levels, operands
    ports = [
        level.port_alloc_raw.get_alloc_for_mem_op(operand)[direction]
        for level, operand, direction in zip(levels, operands, directions, strict=True)
    ]
    return Memory(
        read_bits=source.get_max_bandwidth(read, directions[0]),
        write_bits=sink.get_max_bandwidth(written, directions[1]),
        one_port=source is sink and ports[0] == ports[1],
        read_pj=source.read_energy,
        write_pj=sink.write_energy,
    )


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Keep ZigZag's log to ourselves: gives the list that its complaints of the worst kind go to."""
    complaints: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    log, handler = logging.getLogger("zigzag"), Collector(logging.CRITICAL)
    level, propagate = log.level, log.propagate
    log.setLevel(logging.CRITICAL)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield complaints
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate

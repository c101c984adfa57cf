"""The profiler's C as a library of this machine, to call it without QEMU."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from blockfront.content_store import cache_folder
from blockfront.targets.latency.profiler import native


@pytest.fixture(scope="session")
def native_library(tmp_path_factory):
    """What a source of the profiler exports; a library of its own, so with state of its own, every time."""
    folder = tmp_path_factory.mktemp("native")

    def load(name):
        built, own = folder / f"{name}.so", folder / f"{name}-{len(list(folder.iterdir()))}.so"
        if not built.exists():
            places = {f"ZIG_{place}_CACHE_DIR": str(cache_folder() / "zig") for place in ("GLOBAL", "LOCAL")}
            source = Path(native.__file__).with_name("native") / f"{name}.c"
            command = [native.ZIG, "cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(built), str(source)]
            subprocess.run(command, check=True, env={**os.environ, **places})
        shutil.copy(built, own)
        return ctypes.CDLL(str(own))

    return load


class Effect(ctypes.Structure):
    _fields_ = [
        ("main", ctypes.c_int),
        *((name, ctypes.c_bool) for name in ("loads", "stores", "slow")),
        ("latency", ctypes.c_uint8),
        ("writes", ctypes.c_int8),
        ("widens", ctypes.c_bool),
        ("reads", ctypes.c_uint32),
    ]


@pytest.fixture(scope="session")
def decoder(native_library):
    """An architecture's decoder: an encoding in hexadecimal to its class and what it does to memory, or its effect."""

    def load(architecture):
        function = getattr(native_library(architecture), f"decode_{architecture}")
        function.argtypes, function.restype = [ctypes.c_char_p, ctypes.c_size_t], Effect

        def effect(encoding):
            code = bytes.fromhex(encoding)
            return function(code, len(code))

        def decode(encoding):
            found = effect(encoding)
            return (
                ["multiply-add", "vector", "load", "store", "branch", "integer"][found.main],
                found.loads,
                found.stores,
            )

        decode.effect = effect
        return decode

    return load

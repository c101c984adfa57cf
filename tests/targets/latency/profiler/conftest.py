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
        *((name, ctypes.c_int) for name in ("adds_to", "overwrites")),
    ]


@pytest.fixture(scope="session")
def decoder(native_library):
    """An architecture's decoder: an encoding in hexadecimal to its class, and what it does to memory."""

    def load(architecture):
        function = getattr(native_library(architecture), f"decode_{architecture}")
        function.argtypes, function.restype = [ctypes.c_char_p, ctypes.c_size_t], Effect

        def decode(encoding):
            code = bytes.fromhex(encoding)
            found = function(code, len(code))
            return (
                ["multiply-add", "vector", "load", "store", "branch", "integer"][found.main],
                found.loads,
                found.stores,
            )

        return decode

    return load

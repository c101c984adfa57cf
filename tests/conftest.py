"""Kernels that tests compile are cached in a folder of their own, which goes when the tests end."""

import os
import tempfile

_CACHE = tempfile.TemporaryDirectory(prefix="bench-tests-")


def pytest_configure():
    os.environ["BENCH_CACHE"] = _CACHE.name


def pytest_unconfigure():
    _CACHE.cleanup()

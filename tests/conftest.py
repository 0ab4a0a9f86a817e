"""What must be set before XLA starts."""

from tests.quick_xla import compile_quickly, jaxlib

if jaxlib:
    compile_quickly()

import ctypes
import gc
import os
import sys
from pathlib import Path

import pytest

from tests.adapters import ADAPTERS

if jaxlib.startswith("0.7."):  # the lowest that pyproject claims: the tests' name for it came with 0.8
    import jax
    from jax.experimental import enable_x64

    jax.enable_x64 = enable_x64


def pytest_collection_finish(session):
    """A trace makes many thousand objects: looking for cycles among them and all that is imported is a quarter of its
    time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.name)
def adapter(request):
    """Each of the libraries that are installed, by the interface of `tests/adapters`."""
    return request.param


@pytest.fixture(scope="module", autouse=True)
def bounded_memory():
    """What JAX has compiled for the tests so far is 8 GB at their end: a process of more than 4 GB lets go of it."""
    yield
    if "jax" in sys.modules and resident() > 4e9:
        sys.modules["jax"].clear_caches()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # else glibc keeps the pages


def resident() -> float:
    """Bytes of memory that this process holds; 0 where that, or `malloc_trim`, is not to be had."""
    if not (sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")):
        return 0.0
    pages = Path("/proc/self/statm").read_text().split()[1]
    return float(pages) * os.sysconf("SC_PAGE_SIZE")

"""What must be set before XLA starts."""

import os
from importlib.metadata import PackageNotFoundError, version

try:
    jaxlib = version("jaxlib")
except PackageNotFoundError:
    jaxlib = ""
# Nearly all time of NumPyro's tests is XLA's compilation: the former code generator takes half of the new one's, and
# without LLVM's optimizations another quarter is gone; thunks in the order in which they were found save a little.
# (One module in place of many would save more, and rounds otherwise: Beta's partials at shapes of 1e6 had five digits.)
# Only where the flags are known to exist: XLA aborts the process for one that it has not.
if jaxlib.startswith("0.10."):
    flags = (
        "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0 "
        "--xla_cpu_enable_concurrency_optimized_scheduler=false"
    )
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()

import gc

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

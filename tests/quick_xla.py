"""XLA's faster way to compile, for runs that are mostly compilation: the tests', and the notebooks' short ones."""

import os
from importlib.metadata import PackageNotFoundError, version

__all__ = ["compile_quickly", "jaxlib"]

try:
    jaxlib = version("jaxlib")
except PackageNotFoundError:
    jaxlib = ""


def compile_quickly() -> None:
    """Before JAX is imported.

    The former code generator takes half of the new one's time, and without LLVM's optimizations another quarter is
    gone; thunks in the order in which they were found save a little.  (One module in place of many would save more,
    and rounds otherwise: Beta's partials at shapes of 1e6 had five digits.)  Only where the flags are known to exist:
    XLA aborts the process for one that it has not.

    Of each operation JAX hands XLA the stack of calls that it came from, for profilers: without it a twentieth of
    lowering and compilation is gone, and no number changes.
    """
    os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
    if jaxlib.startswith("0.10."):
        flags = (
            "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0 "
            "--xla_cpu_enable_concurrency_optimized_scheduler=false"
        )
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()

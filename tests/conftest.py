"""What must be set before XLA starts."""

import os
from importlib.metadata import PackageNotFoundError, version

try:
    jaxlib = version("jaxlib")
except PackageNotFoundError:
    jaxlib = ""
# Nearly all time of NumPyro's tests is XLA's compilation, and the former code generator takes half of the new one's.
# Only where the flag is known to exist: XLA aborts the process for one that it has not.
if jaxlib.startswith("0.10."):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false".strip()

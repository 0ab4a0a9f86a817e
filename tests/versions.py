"""A slice of the tests under the lowest versions that pyproject.toml claims, or the newest that the index serves.

    python tests/versions.py lowest
    python tests/versions.py newest --python python3.13 --hosts numpyro

Each makes an environment of its own in build/versions/ and takes some minutes.  PyTorch is that of constraints.txt in
both: its other releases on the index bring gigabytes of CUDA libraries.  Where its CPU build does not exist for an
interpreter, `--hosts numpyro` leaves it out.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("cloudpickle", "funsor", "hypothesis", "mpmath", "numpy", "packaging", "pytest", "scikit-learn", "scipy")
FILES = ("test_private_names", "shared/test_svi", "shared/test_gradients", "shared/test_rows", "shared/test_spherical")
# private names, training, and a few families: closed, integrated and multivariate ones
SLICE = "private or svi or outside or ((Weibull or Rayleigh) and (draws or unbiased)) or Fisher-3 or Spherical-2"
FURTHER = "(Gamma and float64 and gradients)"


def requirements(which: str, hosts: list[str]) -> list[str]:
    """As pip takes them: `name==lowest` or `name`, and PyTorch as it is pinned."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {r for host in hosts for r in extras[host]} | {r for r in extras["test"] if r.startswith(TOOLS)}
    pinned = re.findall(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.M)
    others = [r for r in wanted if not r.startswith("torch>=")]
    kept = [re.sub(r">=.*", "", r) if which == "newest" else r.replace(">=", "==") for r in others]
    return sorted(kept) + (pinned if "pyro" in hosts else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["lowest", "newest"])
    parser.add_argument("--python", default="python3", help="the interpreter, 3.11 or newer")
    parser.add_argument("--hosts", nargs="+", choices=["pyro", "numpyro"], default=["pyro", "numpyro"])
    options = parser.parse_args()
    folder = ROOT / "build/versions" / f"{options.which}-{Path(options.python).name}-{'-'.join(options.hosts)}"
    python = folder / "bin/python"
    subprocess.run([options.python, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *requirements(options.which, options.hosts)], check=True)
    subprocess.run([python, "-m", "pip", "list"], check=True)
    files = [f"tests/{name}.py" for name in FILES]
    if "numpyro" in options.hosts:
        files.append("tests/numpyro/test_outside_of_jit.py")
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")}
    tests = [python, "-m", "pytest", "-q", *files, "-k", f"{SLICE} or {FURTHER}"]
    subprocess.run(tests, cwd=ROOT, check=True, env={**os.environ, **threads, "PYTHONPATH": str(ROOT)})


if __name__ == "__main__":
    main()

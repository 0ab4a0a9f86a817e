"""The promise of docs/accuracy.md in a process under XLA's default code generator (`conftest.py` chooses another)."""

import os
import subprocess
import sys

from benchmarks.tables import ROOT
from tests.cases import PARTIAL


def test_benchmark_keeps_the_promise():
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [sys.executable, "-m", "benchmarks.accuracy"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "| float" in line
    ]
    assert len(rows) == 8
    for family, precision, *_, pyro, numpyro in rows:
        assert float(pyro) <= PARTIAL[precision], f"{family} in Pyro"
        assert float(numpyro) <= PARTIAL[precision], f"{family} in NumPyro"

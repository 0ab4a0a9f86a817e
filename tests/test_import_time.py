"""Importing an adapter brings no other package than its host has brought: each would cost every user's every start.

What is needed now and then (SciPy's Sobol' points, Matplotlib, ArviZ) is imported where it is called.  The packages
themselves, 180 files, take 0.05 s of CPU time with bytecode: 4 to 5 % of Pyro's import and 7 % of NumPyro's.
"""

import subprocess
import sys

import pytest

from tests.pages import ROOT

PROGRAM = """
import sys
import {host}, {host}.distributions, {host}.infer
before = set(sys.modules)
import {ours}, {ours}.distributions, {ours}.infer, {ours}.plot, {ours}.special
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names))
"""


@pytest.mark.parametrize("host", ["pyro", "numpyro"])
def test_nothing_but_the_packages_themselves(host):
    ours = f"{host}_irg"
    command = [sys.executable, "-c", PROGRAM.format(host=host, ours=ours)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {ours, host, "irg_kernels"}

"""An import brings no other package than its host has brought, nor what nobody has asked for: each costs every start.

What is needed now and then (SciPy's Sobol' points, Matplotlib, ArviZ) is imported where it is called, and so are the
classes that `implicit` need not know, `distributions.LATER`.  The rest, 140 files, takes 3 % of the CPU time of Pyro's
import and 4 to 5 % of NumPyro's, with bytecode.
"""

import ast
import subprocess
import sys
from importlib import import_module

import pytest

from tests.pages import ROOT

PROGRAM = """
import sys
import {host}, {host}.distributions, {host}.infer
before = set(sys.modules)
import {ours}
from {ours}.distributions import LATER
assert not {{f"{ours}.distributions.{{module}}" for module in LATER.values()}} & set(sys.modules)
import {ours}.infer, {ours}.plot, {ours}.special
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names))
{after}
"""
# The first use may be in a function that is traced: what a module makes must not be the trace's.
FIRST_USE = {
    "pyro": """
import torch
from pyro_irg import distributions
with torch.inference_mode():
    [getattr(distributions, name) for name in LATER]
scale = torch.tensor(2.0, requires_grad=True)
distributions.Rayleigh(scale).rsample().backward()
""",
    "numpyro": """
import jax
from numpyro_irg import distributions
@jax.jit
def traced(scale):
    [getattr(distributions, name) for name in LATER]
    return distributions.Rayleigh(scale).mean
with jax.checking_leaks():
    traced(2.0)
jax.grad(lambda scale: distributions.Rayleigh(scale).sample(jax.random.key(0)))(2.0)
""",
}


def run(program):
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("host", ["pyro", "numpyro"])
def test_nothing_but_what_is_asked_for(host):
    ours = f"{host}_irg"
    found = run(PROGRAM.format(host=host, ours=ours, after=FIRST_USE[host]))
    assert set(found.split()) <= {ours, host, "irg_kernels"}


@pytest.mark.parametrize("host", ["pyro", "numpyro"])
def test_the_table_of_later_classes(host):
    """It says what type checkers read, and leaves out every class that the host has, for `implicit` to know them."""
    module = import_module(f"{host}_irg.distributions")
    tree = ast.parse((ROOT / f"{host}_irg/distributions/__init__.py").read_text())
    block = next(each for each in tree.body if isinstance(each, ast.If))
    imports = [(name.name, line.module) for line in block.body for name in line.names]
    assert sorted(imports) == sorted(module.LATER.items())
    assert not module.LATER.keys() & set(import_module(f"{host}.distributions").__all__)
    assert module.LATER.keys() <= {*module.IMPLICIT, "Rosenblatt"} & set(dir(module))
    twins = import_module(f"{host}_irg").implicit_twins().values()
    assert not {twin.__name__ for twin in twins if twin.__module__.startswith(f"{host}_irg.")} & module.LATER.keys()

"""An import brings no other package than its host has brought, nor what nobody has asked for: each costs every start.

What is needed now and then (SciPy's Sobol' points, Matplotlib, ArviZ) is imported where it is called; `special` and
each class, `distributions.LATER`, when it is first asked for, all that the host has too with the first look for a twin.
The rest, with `infer`, takes 3 % of the CPU time of Pyro's import and 4 to 5 % of NumPyro's, with bytecode.
"""

import ast
import os
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
assert "{ours}.special" not in sys.modules
from {ours}.distributions import LATER
loaded = {{module for module in LATER.values() if f"{ours}.distributions.{{module}}" in sys.modules}}
assert loaded <= {{"beta", "chi2", "dirichlet", "gamma", "inverse_gamma", "log_gamma", "student_t", "von_mises"}}
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
    """It says what type checkers read, and every class of ours."""
    module = import_module(f"{host}_irg.distributions")
    tree = ast.parse((ROOT / f"{host}_irg/distributions/__init__.py").read_text())
    block = next(each for each in tree.body if isinstance(each, ast.If))
    read = {}
    for line in block.body:
        names = [name.name for name in line.names]
        if names == ["*"]:
            names = import_module(f".{line.module}", module.__name__).__all__
        read |= dict.fromkeys(names, line.module)
    assert read == module.LATER
    assert module.LATER.keys() == {*module.IMPLICIT, "Rosenblatt"} & set(dir(module))


# Each way to a twin, in a process in which nobody has asked for one.
WAYS = {
    "implicit_twin": "print(type(irg.implicit_twin(host.Weibull(1.0, 2.0))) is irg.distributions.Weibull)",
    "implicit_twins": "print(irg.implicit_twins()[host.Weibull] is irg.distributions.Weibull)",
    "register": "irg.register(); print(host.Weibull is irg.distributions.Weibull)",
    "registered": """
with irg.registered():
    print(host.Weibull is irg.distributions.Weibull)
""",
    "the user's own": """
@irg.implicit_twin_of(host.Weibull)
class Mine(host.Weibull): pass
print(irg.implicit_twins()[host.Weibull] is Mine and irg.distributions.Weibull is not Mine)
""",
    "two threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    twins = list(pool.map(irg.implicit_twin, [host.Weibull(1.0, 2.0), host.SoftLaplace(0.0, 1.0)]))
print([type(twin) for twin in twins] == [irg.distributions.Weibull, irg.distributions.SoftLaplace])
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process of its own for each would take a minute")
@pytest.mark.parametrize("host", ["pyro", "numpyro"])
def test_first_look_for_a_twin(host):
    in_a_child = "".join(
        f"""
if not (child := os.fork()):
    exec({way!r})
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
        for way in WAYS.values()
    )
    start = f"import os, sys, {host}.distributions as host, {host}_irg as irg"
    found = run(f"{start}\nassert 'Weibull' not in vars(irg.distributions)\n{in_a_child}")
    assert found.split() == ["True"] * len(WAYS)

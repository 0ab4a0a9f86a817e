"""Users' programs pass mypy, strict, without ignores of their own: the types of what they call are there and right.

Pyright, which CONTRIBUTING says how to run, must find nothing either.
"""

import importlib
import re
import subprocess
import sys

import pytest

from tests.pages import ROOT

pytest.importorskip("mypy")

# What a user of the hosts needs in any case: they ship no types, or not all.
CONFIG = """
[mypy]
strict = True
disallow_untyped_calls = False
disallow_subclassing_any = False

[mypy-numpyro.*,pyro.*,pyroapi.*,opt_einsum.*,tqdm.*]
ignore_missing_imports = True
follow_imports = skip

[mypy-irg_kernels.*,pyro_irg.*,numpyro_irg.*]
follow_imports = silent
"""

PROGRAMS = ROOT / "tests/typing"


@pytest.mark.slow
def test_programs_have_no_errors(tmp_path):
    (tmp_path / "mypy.ini").write_text(CONFIG)
    command = [sys.executable, "-m", "mypy", "--config-file", tmp_path / "mypy.ini", *sorted(PROGRAMS.glob("*.py"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("host", ["pyro", "numpyro"])
def test_every_public_name_is_in_a_program(host):
    package = pytest.importorskip(f"{host}_irg")
    infer, plot = (importlib.import_module(f"{host}_irg.{name}") for name in ("infer", "plot"))
    text = (PROGRAMS / f"every_name_{host}.py").read_text()
    listed = [re.findall(rf"^    {prefix}\.(\w+),$", text, re.M) for prefix in ("dist", "infer", "plot", "special")]
    assert sorted(listed[0]) == sorted(package.distributions.IMPLICIT)
    assert [*map(sorted, listed[1:])] == [sorted(module.__all__) for module in (infer, plot, package.special)]
    own = set(package.__all__) - {"__version__", "distributions", "special"}
    assert set(re.findall(rf"^    {host}_irg\.(\w+),$", text, re.M)) == own

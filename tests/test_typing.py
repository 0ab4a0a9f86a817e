"""Users' programs pass mypy, strict, without ignores of their own: the types of what they call are there and right, and
every public name is found.

Pyright, which CONTRIBUTING says how to run, must find nothing either.
"""

import subprocess
import sys

import pytest

from tests import every_name
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


@pytest.mark.slow
def test_programs_have_no_errors(tmp_path):
    (tmp_path / "mypy.ini").write_text(CONFIG)
    every_name.write(tmp_path)
    programs = sorted([*(ROOT / "tests/typing").glob("*.py"), *tmp_path.glob("*.py")])
    command = [sys.executable, "-m", "mypy", "--config-file", tmp_path / "mypy.ini", *programs]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

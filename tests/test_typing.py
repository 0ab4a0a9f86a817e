"""A user's program passes mypy, strict, without ignores of its own: the types of what it calls are there and right.

Pyright, which CONTRIBUTING says how to run, must find nothing either.
"""

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.slow
@pytest.mark.parametrize("program", ["with_pyro", "with_numpyro"])
def test_a_program_has_no_errors(program, tmp_path):
    (tmp_path / "mypy.ini").write_text(CONFIG)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        tmp_path / "mypy.ini",
        Path("tests/typing") / f"{program}.py",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

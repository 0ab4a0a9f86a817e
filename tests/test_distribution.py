"""Wheel and sdist: built, installed without what they do not need, and imported from a folder that is not the clone."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.pages import ROOT

PACKAGES = ("irg_kernels", "pyro_irg", "numpyro_irg")


def call(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """(the interpreter of a fresh environment with the build backend, the folder with wheel and sdist)"""
    here = tmp_path_factory.mktemp("distribution")
    call(sys.executable, "-m", "venv", here / "venv", cwd=here)
    python = next(here.glob("venv/bin/python")) if sys.platform != "win32" else here / "venv/Scripts/python.exe"
    done = call(python, "-m", "pip", "install", "--quiet", "hatchling>=1.27", cwd=here)
    if done.returncode:
        pytest.skip("no package index, from which hatchling would come")
    done = call(python, "-m", "hatchling", "build", "-d", here / "dist", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return python, here / "dist"


def sources(package: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*") if path.suffix in (".py", ".typed")
    }


def test_wheel_holds_the_packages_and_nothing_else(built):
    (wheel,) = built[1].glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == set().union(*map(sources, PACKAGES))


def test_sdist_holds_what_builds_and_tests_it(built):
    (sdist,) = built[1].glob("*.tar.gz")
    names = {name.split("/", 1)[1] for name in tarfile.open(sdist).getnames()}
    assert names >= {"pyproject.toml", "README.md", "LICENSE", "tests/families.py"}.union(*map(sources, PACKAGES))
    assert not [name for name in names if name.startswith((".venv", "build/"))]


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_installs_and_says_what_is_missing(built, kind, tmp_path):
    python, dist = built
    (file,) = dist.glob(kind)
    done = call(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--force-reinstall",
        "--no-deps",
        "--no-build-isolation",
        file,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert call(python, "-c", "import irg_kernels.families.gamma", cwd=tmp_path).returncode == 0
    for package, extra in (("pyro_irg", "pyro"), ("numpyro_irg", "numpyro")):
        done = call(python, "-c", f"import {package}", cwd=tmp_path)
        assert f'pip install "pyro-irg[{extra}]"' in done.stderr


def test_one_version():
    (version,) = re.findall(r'__version__ = "(.*?)"', (ROOT / "irg_kernels/__init__.py").read_text(encoding="utf-8"))
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    released = re.findall(r"^## \[(\d.*?)\] - ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert version.startswith(released[0]), "CHANGELOG.md: give *Unreleased* the version and the date"
    for package in ("pyro_irg", "numpyro_irg"):
        assert pytest.importorskip(package).__version__ == version

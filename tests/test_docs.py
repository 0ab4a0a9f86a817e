"""What the documentation promises: every class is in the API reference and in the table of distributions, every
notebook in the gallery."""

import json
import re
from importlib import import_module

import pytest

from docs.conf import with_families
from tests.pages import ROOT

DOCS = ROOT / "docs"
TUTORIALS = ROOT / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
LARGEST = 600_000  # bytes; a clone should stay small


@pytest.mark.parametrize("package", ["pyro_irg", "numpyro_irg"])
def test_every_public_name_is_in_the_reference(package):
    pytest.importorskip("torch" if package == "pyro_irg" else "jax")
    page = with_families((ROOT / "docs" / f"{package}.md").read_text(), package)
    listed = set(re.findall(rf"auto\w+:: {package}\.(?:distributions\.|infer\.)?(\w+)", page))
    wanted = {*import_module(package).__all__, *import_module(f"{package}.infer").__all__} - {"distributions"}
    assert listed == wanted | set(import_module(f"{package}.distributions").IMPLICIT)


class TestTableOfDistributions:
    """docs/distributions.md has the registry's classes: every twin has its row, and no row promises another."""

    @staticmethod
    def rows() -> dict[str, str]:
        """name of a class -> its row"""
        lines = (DOCS / "distributions.md").read_text(encoding="utf-8").splitlines()
        return {
            name: line for line in lines if line[:3] == "| `" for name in re.findall(r"`(\w+)`", line.split("|")[1])
        }

    @staticmethod
    def ours() -> dict[str, set[str]]:
        packages = {"Pyro": pytest.importorskip("pyro_irg"), "NumPyro": pytest.importorskip("numpyro_irg")}
        return {library: set(package.distributions.IMPLICIT) for library, package in packages.items()}

    def test_is_the_registrys(self):
        wanted, found = set().union(*self.ours().values()), self.rows().keys()
        assert wanted <= found, f"docs/distributions.md lacks {sorted(wanted - found)}"
        assert found <= wanted, f"docs/distributions.md promises {sorted(found - wanted)}"

    def test_rows_name_the_one_library(self):
        ours = self.ours()
        for name, row in self.rows().items():
            for library, other in (("Pyro", "NumPyro"), ("NumPyro", "Pyro")):
                if name not in ours[other]:
                    assert f"({library})" in row, f"docs/distributions.md: only {library} has {name}; say so in its row"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebooks:
    def test_was_run_from_top_to_bottom(self, path):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
        outputs = [output for cell in cells for output in cell["outputs"]]
        assert any("image/png" in output.get("data", ()) for output in outputs)
        assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]

    def test_has_a_question_and_a_switch_for_a_short_run(self, path):
        cells = json.loads(path.read_text())["cells"]
        assert "".join(cells[0]["source"]).startswith("# ")
        assert "SMOKE" in "".join(line for cell in cells for line in cell["source"])
        assert path.stat().st_size < LARGEST

    def test_is_in_the_gallery(self, path):
        gallery = (TUTORIALS / "README.md").read_text()
        assert f"({path.name})" in gallery and f"thumbnails/{path.stem}.png" in gallery
        assert (TUTORIALS / "thumbnails" / f"{path.stem}.png").exists()


def test_gallery_names_no_notebook_that_is_not_there():
    named = set(re.findall(r"\((\w+\.ipynb)\)", (TUTORIALS / "README.md").read_text()))
    assert named == {path.name for path in NOTEBOOKS}

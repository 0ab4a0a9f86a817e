"""What the documentation promises: every class has an entry in the API reference, every notebook its place."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from docs.conf import with_families

ROOT = Path(__file__).parent.parent
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

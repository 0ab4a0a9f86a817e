"""What the documentation promises: every class is in the API reference and in the table of distributions, every
notebook in the gallery."""

import doctest
import json
import re
from importlib import import_module

import pytest

from docs.conf import with_families
from tests.pages import ROOT, blocks

DOCS = ROOT / "docs"
TUTORIALS = ROOT / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
LARGEST = 600_000  # bytes; a clone should stay small


@pytest.mark.parametrize("package", ["pyro_irg", "numpyro_irg"])
def test_every_public_name_is_in_the_reference(package):
    pytest.importorskip("torch" if package == "pyro_irg" else "jax")
    page = with_families((ROOT / "docs" / f"{package}.md").read_text(), package)
    listed = set(re.findall(rf"auto\w+:: {package}\.(?:distributions\.|infer\.|plot\.)?(\w+)", page))
    wanted = {*import_module(package).__all__, *import_module(f"{package}.infer").__all__}
    wanted |= set(import_module(f"{package}.plot").__all__)
    wanted -= {"distributions", "__version__"}
    assert listed == wanted | set(import_module(f"{package}.distributions").IMPLICIT)


def test_parameters_read_as_they_are_meant():
    """Sphinx takes the a of ":param a, b:" for b's type, and "S." alone for the head of a list."""
    packages = ("irg_kernels", "pyro_irg", "numpyro_irg")
    texts = {path: path.read_text(encoding="utf-8") for each in packages for path in (ROOT / each).rglob("*.py")}
    assert any(":param num_samples:" in text for text in texts.values())
    assert not {
        p: found for p, t in texts.items() if (found := re.findall(r":param \w+,.*|:param \w+: \w\.$", t, re.M))
    }


PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("path", [page for page in PAGES if blocks(page, "pycon")], ids=lambda path: path.stem)
def test_sessions_print_what_the_page_says(path):
    for host in ("torch", "jax"):
        pytest.importorskip(host)
    import pyro

    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    names: dict = {}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags)
    for line, code in blocks(path, "pycon"):
        session = doctest.DocTestParser().get_doctest(code, names, path.stem, str(path), line - 1)
        runner.run(session, clear_globs=False)
        names |= session.globs
    assert not runner.failures


@pytest.mark.parametrize("path", [page for page in PAGES if blocks(page)], ids=lambda path: path.stem)
def test_programs_run(path):
    for host in ("pyro", "numpyro"):
        pytest.importorskip(host)
    import pyro

    names: dict = {"__name__": path.stem}
    with pyro.get_param_store().scope():
        for _, code in blocks(path):
            exec(compile(code, str(path), "exec"), names)


class TestBibliography:
    """docs/bibliography.md has what the packages cite by surname and year, and links it."""

    ENTRY = re.compile(r"^\* (?P<authors>[^*]+?) (?P<year>\d{4})\. \*.*$", re.M)
    CITED = re.compile(r"\b(?:van |de )?([A-Z][\w-]+)(?:,? et\s+al\.?)?,?\s+((?:19|20)\d\d)\b(?!-)")

    def entries(self) -> dict[tuple[str, str], str]:
        """(surname, year) of each author -> the entry"""
        found = self.ENTRY.finditer((DOCS / "bibliography.md").read_text(encoding="utf-8"))
        return {(name, m["year"]): m[0] for m in found for name in re.split(r",? and |, ", m["authors"])}

    def test_has_what_is_cited(self):
        files = [p for package in ("irg_kernels", "pyro_irg", "numpyro_irg") for p in (ROOT / package).rglob("*.py")]
        cited = {found for path in files for found in self.CITED.findall(path.read_text(encoding="utf-8"))}
        assert ("Mnih", "2018") in cited
        # a title's last word is no surname
        missing = cited - {("Auto-Encoder", "2018")} - self.entries().keys()
        assert not missing, f"docs/bibliography.md lacks {sorted(missing)}"

    def test_links_what_it_lists(self):
        unlinked = {key for key, entry in self.entries().items() if "](https://" not in entry}
        assert unlinked == {("Penny", "2001"), ("Knuth", "1969")}  # a report and a book


class TestFormulas:
    """Docstrings and notebooks: each formula becomes MathML, and nothing of TeX is left in it."""

    @staticmethod
    def all() -> set[str]:
        files = [p for package in ("irg_kernels", "pyro_irg", "numpyro_irg") for p in (ROOT / package).rglob("*.py")]
        found = {f for p in files for f in re.findall(r":math:`(.*?)`", p.read_text(encoding="utf-8"), re.S)}
        for path in NOTEBOOKS:
            cells = json.loads(path.read_text())["cells"]
            text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
            found |= {a or b for a, b in re.findall(r"\$\$(.+?)\$\$|\$([^$]+?)\$", text, re.S)}
        return found

    def test_are_converted(self):
        pytest.importorskip("latex2mathml")
        from docs.mathml import mathml

        converted = {formula: mathml(formula) for formula in self.all()}
        assert len(converted) > 200
        left = [formula for formula, found in converted.items() if re.search(r"\\|\$|\^\{|<mo ?/>", found)]
        assert not left

    @pytest.mark.parametrize(
        ("formula", "wanted"),
        [
            (r"\log x", "<mi>log</mi>_<mi>x</mi>"),
            (r"\log(x)", '<mi>log</mi><mo stretchy="false">(</mo><mi>x</mi><mo stretchy="false">)</mo>'),
            (r"a\cos^2 x", "<mi>a</mi>_<msup><mi>cos</mi><mn>2</mn></msup>_<mi>x</mi>"),
            (r"x \sim N", "<mi>x</mi><mo>∼</mo><mi>N</mi>"),
            (r"-\mathrm{logit} x", "<mo>−</mo><mi>logit</mi>_<mi>x</mi>"),
        ],
    )
    def test_names_of_functions_stand_apart(self, formula, wanted):
        pytest.importorskip("latex2mathml")
        from docs.mathml import mathml

        row = re.fullmatch(r"<math.*?><mrow>(.*)</mrow></math>", mathml(formula))
        assert row and row[1].replace('<mspace width="0.1667em" />', "_") == wanted


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

    def test_matches_the_registry(self):
        wanted, found = set().union(*self.ours().values()), self.rows().keys()
        assert wanted <= found, f"docs/distributions.md lacks {sorted(wanted - found)}"
        assert found <= wanted, f"docs/distributions.md promises {sorted(found - wanted)}"

    def test_is_generated(self):
        """Here and in README, of the records and of errors that are those of a run of the tests' points."""
        from benchmarks import distributions, tables

        message = "python -m benchmarks.distributions --write"
        assert tables.published("distributions") == distributions.table(), message
        assert tables.published("distributions-in-short") == distributions.table_in_short(), message
        for name, (single, double) in distributions.errors().items():
            assert 0.0 <= single <= 2e-6 and 0.0 <= double <= 1e-12, name
        name = "Levy"  # the cheapest
        found, stored = distributions.measured(name), distributions.errors()[name]
        assert all(0.1 * b <= a <= 10.0 * b for a, b in zip(found, stored, strict=True)), (found, stored)

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


def test_contents_have_every_page():
    """Notebooks of the gallery too."""
    listed = re.findall(r"^(?:\.\./)?([\w/]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.M)
    pages = {page.stem for page in PAGES} - {"index"} | {f"tutorials/{path.stem}" for path in NOTEBOOKS}
    assert pages <= set(listed)


def test_gallery_names_no_notebook_that_is_not_there():
    named = set(re.findall(r"\((\w+\.ipynb)\)", (TUTORIALS / "README.md").read_text()))
    assert named == {path.name for path in NOTEBOOKS}

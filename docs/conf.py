"""The documentation: `make docs`.  Its source folder is the project's root, so that links between
pages, notebooks and files mean the same here as on the project's page."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from itertools import chain
from pathlib import Path

from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent

project = "pyro-irg"
author = copyright = "The pyro-irg developers"
version = release = re.findall(r'__version__ = "(.*?)"', (ROOT / "irg_kernels/__init__.py").read_text())[0]

sys.path.append(str(ROOT / "docs"))  # for mathml
extensions = ["sphinx.ext.autodoc", "myst_nb", "mathml"]
html_math_renderer = "mathml"
root_doc = "docs/index"
include_patterns = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    "docs/*.md",
    "tutorials/*.md",
    "tutorials/*.ipynb",
]
exclude_patterns = [".*", "build", "demo-output", "tests"]

html_theme = "furo"
html_title = "pyro-irg"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_extra_path = ["root"]  # index.html, which leads to docs/index.html
html_show_sourcelink = False

nb_execution_mode = "off"  # the notebooks show what they were committed with; `make tutorials` runs them
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "code"  # `name` in a docstring
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_inherit_docstrings = False  # the hosts' docstrings are theirs
autodoc_member_order = "bysource"
autodoc_typehints = "none"


# "Mnih 2018" in a docstring -> where the paper is
ENTRY = re.compile(r"^\* ([^*]+?) (\d{4})\. \*.*\]\((https://[^)]+)\)", re.M)
SOURCES = {
    (name, year): link
    for authors, year, link in ENTRY.findall((ROOT / "docs/bibliography.md").read_text(encoding="utf-8"))
    for name in authors.split(", ")
}
# perhaps with what stands before it, as in "by Wood, Domke, Sheldon 2018", where two are authors of the paper
CITED = re.compile(r"\b((?:[A-Z][\w-]+(?:, | and ))*)([A-Z][\w-]+(?: et al\.)? (\d{4}))\b")


def link_sources(app, what, name, obj, options, lines: list[str]) -> None:
    """Link each citation by surnames and year to its paper."""

    def linked(match: re.Match) -> str:
        before, cited, year = match.groups()
        link = SOURCES.get((re.split(r"[^\w-]", cited)[0], year))
        while link and (author := re.search(r"([A-Z][\w-]+)(?:, | and )$", before)):
            if SOURCES.get((author[1], year)) != link:
                break
            before, cited = before[: author.start()], author[0] + cited
        return f"{before}`{cited} <{link}>`__" if link else match[0]

    lines[:] = [CITED.sub(linked, line) for line in lines]


def with_families(page: str, package: str) -> str:
    """The page with an entry for each of the package's own classes that has no other."""
    module = import_module(f"{package}.distributions")
    listed = re.findall(rf"{re.escape(f'.. autoclass:: {package}.distributions.')}(\w+)", page)
    kinds = {n: "class" if isinstance(getattr(module, n), type) else "function" for n in sorted(module.IMPLICIT)}
    entries = [f".. auto{kind}:: {package}.distributions.{n}" for n, kind in kinds.items() if n not in listed]
    return page.replace(".. families", "\n".join(entries))


def add_families(app, docname: str, source: list[str]) -> None:
    if docname in ("docs/pyro_irg", "docs/numpyro_irg"):
        source[0] = with_families(source[0], docname.removeprefix("docs/"))


FIGURE = re.compile(r"[-+\d.,e%×x ]+")


def mark_figures(app, doctree) -> None:
    """Cells of a table that are one figure: 6e-07 does not break at its hyphen (static/wide.css)."""
    for entry in doctree.findall(nodes.entry):
        if FIGURE.fullmatch(entry.astext()):
            entry["classes"].append("figure")


WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])(?<!Num)")  # NumPyro is one


def break_names(app, doctree) -> None:
    """A class's name at the head of a column, or a long one in a row, may break between its words: one of 36 letters
    leaves no room for the other columns.  The element that does it is not copied with the name."""
    for table in doctree.findall(nodes.table):
        heads = {text for head in table.findall(nodes.thead) for text in head.findall(nodes.Text)}
        for text in list(table.findall(nodes.Text)):
            first, *others = WORDS.split(text)
            if others and (text in heads or re.search(r"\w{16}", text)):
                parts = [[nodes.raw("", "<wbr>", format="html"), nodes.Text(word)] for word in others]
                text.parent.replace(text, [nodes.Text(first), *chain.from_iterable(parts)])


def setup(app) -> None:
    app.connect("doctree-read", mark_figures)
    app.connect("doctree-read", break_names)
    app.connect("source-read", add_families)
    app.connect("autodoc-process-docstring", link_sources)

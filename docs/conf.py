"""The documentation: `make docs`.  Its source folder is the project's root, so that links between
pages, notebooks and files mean the same here as on the project's page."""

from __future__ import annotations

import re
import sys
from importlib import import_module
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
CITED = re.compile(r"\b([A-Z][\w-]+)((?: et al\.)?) (\d{4})\b")


def link_sources(app, what, name, obj, options, lines: list[str]) -> None:
    """Link each citation by surname and year to its paper."""

    def linked(match: re.Match) -> str:
        link = SOURCES.get((match[1], match[3]))
        return f"`{match[0]} <{link}>`__" if link else match[0]

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


def break_headers(app, doctree) -> None:
    """A class's name at the head of a column may break between its words: the figures below it are short."""
    for head in doctree.findall(nodes.thead):
        for text in list(head.findall(nodes.Text)):
            text.parent.replace(text, nodes.Text(re.sub(r"(?<=[a-z])(?=[A-Z])", "\u200b", text)))


def setup(app) -> None:
    app.connect("doctree-read", mark_figures)
    app.connect("doctree-read", break_headers)
    app.connect("source-read", add_families)
    app.connect("autodoc-process-docstring", link_sources)

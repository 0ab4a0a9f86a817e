"""Links of pages and notebooks: those inside lead to a file that is there and a heading that it has; those outside are
https.  (`sphinx -b linkcheck` asks the network, before a release.)"""

import json
import re

import pytest

from tests.pages import ROOT

NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "tutorials/README.md", *NOTEBOOKS]
LINK = re.compile(r"\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")  # of text or of a picture; a DOI may have parentheses
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)
HEADING = re.compile(r"^#{1,6} (.*)$", re.M)


def text_of(path):
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def anchors(path):
    """Those of the headings, by GitHub's rule."""
    titles = HEADING.findall(re.sub(r"^```.*?^```", "", text_of(path), flags=re.M | re.S))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(path):
    for link in LINK.findall(CODE.sub("", text_of(path))):
        if re.match(r"\w+:", link):
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(/\S*)?", link), link
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file() and target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_what_is_found():
    assert LINK.findall(
        "[a](b.md#c) and [![p](q.png)](r.ipynb), [d](https://doi.org/10.1016/0377-0427(79)90001-2)"
    ) == [
        "b.md#c",
        "q.png",
        "r.ipynb",
        "https://doi.org/10.1016/0377-0427(79)90001-2",
    ]
    assert "ways-in" in anchors(ROOT / "docs/distributions.md")

"""Formulas as MathML, converted when the pages are made: a browser shows them without a script or a network."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

from docutils import nodes
from latex2mathml.converter import convert

MATHML = "http://www.w3.org/1998/Math/MathML"
ET.register_namespace("", MATHML)
MI, MO, MROW, MSPACE = (f"{{{MATHML}}}{name}" for name in ("mi", "mo", "mrow", "mspace"))
CLOSING = {")", "]", "|", "!"}


def mathml(formula: str, block: bool = False) -> str:
    """The formula as a `<math>` element.

    latex2mathml sets no space about the name of a function, which MathML takes for an identifier: "log x" would read
    as "logx".  TeX's thin spaces are put in here: before a name, and behind it unless a parenthesis follows.
    """
    text = convert(re.sub(r"\\mathrm\b", r"\\operatorname", formula), display="block" if block else "inline")
    root = ET.fromstring(text)
    for operator in root.iter(MO):
        if re.fullmatch(r"\w{2,}", operator.text or "") and operator.text not in ("max", "min", "sup", "inf", "lim"):
            operator.tag = MI  # an operator's own spaces would part a name from its parenthesis
    for identifier in root.iter(MI):
        if identifier.text == "~":  # what latex2mathml takes \sim for
            identifier.tag, identifier.text = MO, "\u223c"
    for row in list(root.iter(MROW)):
        space_names(row)
    return ET.tostring(root, encoding="unicode")


def is_name(node: ET.Element) -> bool:
    """Whether it is a function's name, perhaps with a power or an index."""
    base = node if node.tag == MI or not len(node) else node[0]
    return base.tag == MI and len(base.text or "") > 1


def space_names(row: ET.Element) -> None:
    """Thin spaces beside the names of functions in a row."""
    children = list(row)
    for left, right in pairwise(children):
        operand_after = right.tag not in (MO, MSPACE) and is_name(left)
        operand_before = is_name(right) and (left.tag != MO or left.text in CLOSING)
        if operand_after or operand_before:
            row.insert(list(row).index(right), ET.Element(MSPACE, width="0.1667em"))


def visit_math(self, node: nodes.math) -> None:
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def visit_displaymath(self, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(mathml(node.astext(), block=True) + "</div>")
    raise nodes.SkipNode


def setup(app) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Rows of the table of families, a file each, or one for some that are of a kind: `ROWS` are all of them."""

import importlib
import pkgutil
from collections.abc import Iterator

from tests.row import Family


def _rows() -> Iterator[Family]:
    for module in pkgutil.iter_modules(__path__):
        members = vars(importlib.import_module(f"tests.rows.{module.name}"))
        yield from members["ROWS"] if "ROWS" in members else [members["ROW"]]


ROWS: tuple[Family, ...] = tuple(_rows())

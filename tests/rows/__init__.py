"""Rows of the table of families, a file each: `ROWS` are all of them."""

import importlib
import pkgutil

from tests.row import Family

ROWS: tuple[Family, ...] = tuple(
    importlib.import_module(f"tests.rows.{module.name}").ROW for module in pkgutil.iter_modules(__path__)
)

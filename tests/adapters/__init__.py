"""The libraries under test behind one interface: `pyro.py` and `numpyro.py` have the same names (see either)."""

import importlib
import importlib.util
from collections.abc import Callable, Iterable

import pytest

HOSTS = {"pyro": ("torch", "pyro"), "numpyro": ("jax", "numpyro")}

# those whose libraries are installed
ADAPTERS = tuple(
    importlib.import_module(f"tests.adapters.{name}")
    for name, hosts in HOSTS.items()
    if all(importlib.util.find_spec(host) for host in hosts)
)


def over(
    rows: Iterable,
    name: str = "family",
    when: Callable = lambda adapter, row: True,
    slow: Callable = lambda adapter, row: False,
) -> pytest.MarkDecorator:
    """Parametrises `adapter` and `name` over all pairs that `when` lets pass, those of `slow` marked so.

    :param rows: names -> rows, or rows whose `str` names them.
    """
    rows = rows if isinstance(rows, dict) else {str(row): row for row in rows}
    pairs = [
        pytest.param(a, row, id=f"{a.name}-{label}", marks=[pytest.mark.slow] if slow(a, row) else [])
        for a in ADAPTERS
        for label, row in rows.items()
        if when(a, row)
    ]
    return pytest.mark.parametrize(("adapter", name), pairs)


def compiled(adapter, row=None) -> bool:
    """Whether the adapter compiles, which takes most of a test's time."""
    return not adapter.eager


def in_host(adapter, family) -> bool:
    """Whether the host has a class of this name too."""
    return hasattr(adapter.host, str(family))

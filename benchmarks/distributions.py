"""docs/distributions.md: the table of all our classes, of their records, their tests and `benchmarks/hosts.py`.

    python -m benchmarks.distributions [--measure] [--write]

A class with a record has a row by itself.  Its error is that of the partial derivatives at fixed quantile against
mpmath, at the points of its tests, the worse of the two libraries; it lies in `distributions.json`, where a family that
is new is measured and added (some 2 s), and with --measure all of them are (4 minutes).
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from types import ModuleType
from typing import Any

import jax
import numpy as np
import numpyro.distributions
import pyro.distributions

import numpyro_irg.distributions
import pyro_irg.distributions
import pyro_irg.xp
from benchmarks import accuracy
from benchmarks.hosts import COMPOSED, IN_README, PARAMETERS, REMARKS
from benchmarks.tables import ROOT, command_line, markdown, publish
from irg_kernels.generic.family import Family, Noise
from tests.cases import CASES
from tests.families import BY_NAME
from tests.kernels import test_families, test_slopes
from tests.kernels.backends import BACKENDS, Backend

STORED = ROOT / "benchmarks" / "distributions.json"
OURS: dict[str, Any] = {"Pyro": pyro_irg.distributions, "NumPyro": numpyro_irg.distributions}
HOSTS: dict[str, Any] = {"Pyro": pyro.distributions, "NumPyro": numpyro.distributions}
PRECISIONS = ("float32", "float64")
# as the adapters compute
AS_USED = tuple(
    backend for backend in BACKENDS if backend.name in ("torch-float64", "jax-float32-jit", "jax-float64-jit")
)


def classes() -> dict[str, Any]:
    """name -> the class that has it, Pyro's where both have one, of which IMPLICIT lists all."""
    return {name: getattr(package, name) for package in reversed(OURS.values()) for name in package.IMPLICIT}


def record_of(name: str) -> Family | None:
    record = getattr(classes()[name], "family", None)
    return record if isinstance(record, Family) else None


# --------------------------------------------------------------------------------------------------------------- errors


def measured(name: str) -> list[float]:
    """The worst relative error of a partial derivative in float32 and in float64."""
    return [float(f"{_worst(name, precision):.1e}") for precision in PRECISIONS]


def _worst(name: str, precision: str) -> float:
    cases = [case for case in CASES if case.distribution == name]
    if cases:
        with jax.enable_x64(precision == "float64"):
            return max(float(accuracy.ours(cases[0], precision, *how)) for how in accuracy.arithmetic(precision))
    record = test_families.RECORDS[name]
    x, columns, exact, size = _truth(name, precision)
    limits, worst = np.finfo(precision), 0.0
    inside = (np.abs(exact) < limits.max) & (np.abs(exact) > 10 * limits.tiny)
    for backend in AS_USED:
        if backend.precision == precision:
            found = _slopes(record, backend, x, columns)
            error = np.where(inside, np.abs(found - exact) / np.where(inside, size, 1.0), 0.0)
            worst = max(worst, error.max())
    return worst


def _slopes(record: Family, backend: Backend, x: np.ndarray, columns: np.ndarray) -> np.ndarray:
    def stacked(xp: Any, *args: Any) -> Any:
        return xp.stack([slope(xp, *args) + 0.0 * args[0] for slope in record.slopes])

    return backend.values(stacked, x, *columns)


def _truth(name: str, precision: str) -> tuple[np.ndarray, ...]:
    """x, parameters, the derivatives, and of what the error is counted: where one passes through 0, its terms."""
    row = BY_NAME[name]
    if row in test_slopes.SWEPT:
        return test_slopes.truth(row, precision)
    x, columns, _, exact, _ = test_families.truth(name)
    return x, np.asarray(columns), exact, np.abs(exact)


@functools.cache
def errors() -> dict[str, list[float]]:
    """name of a record -> what `measured` found"""
    return json.loads(STORED.read_text(encoding="utf-8"))


def measure(everything: bool) -> None:
    """Bring the file up to date."""
    known = {} if everything else errors()
    wanted = [name for name in classes() if name in test_families.RECORDS]
    found = {name: known.get(name) or measured(name) for name in sorted(wanted)}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    STORED.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    errors.cache_clear()


def _errors_of(name: str) -> list[str]:
    record = record_of(name)
    keys = [key for key in errors() if test_families.RECORDS.get(key) is record]
    if not keys:
        raise LookupError(f"benchmarks/distributions.json lacks {name}: python -m benchmarks.distributions --write")
    return [f"{value:.0e}".replace("e-0", "e-").replace("0e+00", "0") for value in errors()[keys[0]]]


# --------------------------------------------------------------------------------------------------------------- method


class _Watched:
    """A namespace that notes what is called of it."""

    def __init__(self, xp: ModuleType) -> None:
        self._xp, self.used = xp, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.used.add(name)
        return getattr(self._xp, name)


def method(name: str) -> str:
    """How a draw is made, and how its path."""
    record = record_of(name)
    assert record is not None
    row = BY_NAME[name if name in test_families.RECORDS else _named(record)]
    assert row.tails is not None
    params, values = row.tails
    backend, watched = BACKENDS[0], _Watched(pyro_irg.xp)
    args = [backend.array(np.array([values[1]])), *(backend.array(np.array([params[p]])) for p in record.parameters)]
    for slope in record.slopes:
        slope(watched, *args)
    return f"{_draw(name, record, args)}; {'integral' if 'integrate' in watched.used else 'closed'}"


def _draw(name: str, record: Family, args: list[Any]) -> str:
    cls = classes()[name]
    source = inspect.getsource(cls.rsample if hasattr(cls, "rsample") else cls.sample)
    if re.search(r"standard_(gamma|beta|student|von)|draw_log_gamma|_affine", source):
        return "sampler"
    if record.draw is not None and any(isinstance(noise, Noise) for noise in record.draw.noise):
        return "sampler"
    if record.draw is not None:
        return " and ".join(sorted(map(str, {*record.draw.noise}))) + " numbers"
    if record.quantile is None:
        return "sampler"
    watched, half = _Watched(pyro_irg.xp), 0.0 * args[0] + 0.4
    record.quantile.find(watched, half, 1.0 - half, *args[1:])
    return "quantile by Newton's method" if "converge" in watched.used else "closed quantile"


def _named(record: Family) -> str:
    return next(name for name, known in test_families.RECORDS.items() if known is record)


# ----------------------------------------------------------------------------------------------------------------- rows


def _shown(name: str) -> str:
    """With the library, where only one has it."""
    having = [library for library, package in OURS.items() if name in package.IMPLICIT]
    return f"`{name}`" + (f" ({having[0]})" if len(having) == 1 else "")


def _hosts(name: str) -> str:
    """What the libraries do today: absent, or as `REMARKS` has it."""
    there = [library for library, module in HOSTS.items() if hasattr(module, name)]
    if not there:
        return "absent"
    remark = REMARKS.get(name, "right, or nearly")
    absent = [library for library in HOSTS if library not in there]
    return f"{there[0]}: {remark}; {absent[0]}: absent" if absent else remark


def _parameters(name: str) -> str:
    given = classes()[name].arg_constraints
    return PARAMETERS.get(name) or ", ".join(f"`{p}`" for p in given)


def rows() -> list[list[str]]:
    """Those with a record by name, then those made of others."""
    composed = {name for names, *_ in COMPOSED for name in names}
    table = []
    for name in sorted(classes().keys() - composed):
        if record_of(name) is None:
            table.append([_shown(name), _parameters(name), "composed", "", "", "", _hosts(name)])
        else:
            table.append([_shown(name), _parameters(name), method(name), "all", *_errors_of(name), _hosts(name)])
    for names, parameters, how, orders, hosts in COMPOSED:
        table.append([", ".join(map(_shown, names)), parameters, how, orders, "", "", hosts])
    return table


HEADER = ["distribution", "parameters", "draw; its path", "orders", "float32", "float64", "what the libraries do today"]


def table() -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [HEADER, ["---"] * len(HEADER), *rows()])


def table_in_short() -> str:
    """README's."""
    found = {name: row for row in rows() for name in re.findall(r"`(\w+)`", row[0])}
    short = [[f"`{name}`", "; ".join(found[name][4:6]), remark] for name, remark in IN_README]
    header = ["distribution", "error of our gradient, float32; float64", "the libraries'"]
    new = [name for name in classes() if not any(hasattr(module, name) for module in HOSTS.values())]
    counted = (
        f"{len(classes())} [distributions](docs/distributions.md) are ours, {len(new)} of them in neither library; the "
        "rest of the\nhost's module is there under its own name.  [Other ways in](docs/distributions.md#ways-in) need "
        "no import."
    )
    return f"{counted}\n\n{markdown(header, short)}"


if __name__ == "__main__":
    parser = command_line()
    parser.add_argument(
        "--measure", action="store_true", help="measure the errors of all families, not only of new ones"
    )
    given = parser.parse_args()
    measure(given.measure)
    publish("distributions", table(), given.write)
    publish("distributions-in-short", table_in_short(), given.write)

"""The records of the families on every backend, each function by itself, against mpmath and SciPy."""

import functools
import importlib
import pkgutil

import numpy as np
import pytest

import irg_kernels.families
from irg_kernels.generic.family import Family, log_cdf_of, log_sf_of
from numpyro_irg.distributions import host_families as numpyros
from pyro_irg.distributions import host_families as pyros
from tests.adapters import ADAPTERS
from tests.families import BY_NAME
from tests.kernels.backends import BACKENDS, QUICKEST

# the name of a class -> its record, as the adapters have them
RECORDS: dict[str, Family] = {
    cls.__name__: family for hosts in (pyros, numpyros) for cls, family in hosts.HOST_FAMILIES.items()
}
for adapter in ADAPTERS:
    for name in adapter.dist.IMPLICIT:
        record = getattr(getattr(adapter.dist, name), "family", None)
        # a class with other parameters may have another's record
        if isinstance(record, Family) and not any(record is known for known in RECORDS.values()):
            RECORDS[name] = record
each = pytest.mark.parametrize("name", RECORDS)
backends = pytest.mark.parametrize("backend", QUICKEST, ids=str)

# Of logarithms of tails: 5e-13 is measured for the mass (the rules' own 3e-13).  Of a log-density and of a slope: the
# promise.  In float32 torch and XLA compute without guard digits.
ALLOWED = {"float64": 1e-12, "float32": 5e-6}


def found_in_the_kernels():
    for module in pkgutil.iter_modules(irg_kernels.families.__path__):
        members = vars(importlib.import_module(f"irg_kernels.families.{module.name}"))
        yield from (v for n, v in members.items() if isinstance(v, Family) and n != "STANDARD" and n[0] != "_")


def test_every_record_has_a_row():
    assert RECORDS.keys() <= BY_NAME.keys()
    assert all(any(record is known for known in RECORDS.values()) for record in found_in_the_kernels())


def test_every_univariate_row_has_a_record():
    wanted = {row.name for row in BY_NAME.values() if row.tails or row.cdf}
    assert wanted == RECORDS.keys()
    for name in wanted:
        assert set(RECORDS[name].parameters) == set(BY_NAME[name].tails[0]), name


@functools.cache
def truth(name):
    """Values, parameters in the record's order, log-densities, slopes, logarithms of both tails."""
    params, values = BY_NAME[name].tails
    params = {parameter: params[parameter] for parameter in RECORDS[name].parameters}
    log_density, slopes = zip(*(BY_NAME[name].along(x, params) for x in values), strict=True)
    tails = zip(*(BY_NAME[name].log_masses(x, params, 150) for x in values), strict=True)
    columns = [np.full(len(values), v) for v in params.values()]
    return np.array(values), columns, np.array(log_density), np.array(slopes).T, [np.array(t) for t in tails]


@each
@backends
def test_density_tails_and_slopes(name, backend):
    record, allowed = RECORDS[name], ALLOWED[backend.precision]
    x, columns, log_density, slopes, tails = truth(name)

    def evaluate(xp, x, *params):
        parts = (record.log_density(xp, x, *params), *record.log_tails(xp, x, *params))
        return xp.stack([*parts, *(slope(xp, x, *params) for slope in record.slopes)])

    found = backend.values(evaluate, x, *columns)
    np.testing.assert_allclose(found[0], log_density, rtol=allowed, atol=allowed)
    # the logarithm of the larger tail of a VonMises, and those in closed form, are right in absolute terms
    atol = allowed if name == "VonMises" or record.tails_are_closed else backend.tiny
    for tail, exact in zip(found[1:3], tails, strict=True):
        np.testing.assert_allclose(tail, exact, rtol=allowed, atol=atol)
    for parameter, slope, exact in zip(record.parameters, found[3:], slopes, strict=True):
        unit = np.abs(exact).max()  # one that passes through 0 has the digits of its terms
        np.testing.assert_allclose(slope, exact, rtol=4 * allowed, atol=allowed * unit, err_msg=parameter)


@each
@backends
def test_quantiles_and_moments(name, backend):
    """A quantile has its mass, by mpmath, in the coordinate in which it is found; moments and entropy are SciPy's."""
    record, row, allowed = RECORDS[name], BY_NAME[name], ALLOWED[backend.precision]
    q = np.array([1e-6, 0.02, 0.3, 0.5, 0.8, 0.999]).astype(np.float32).astype(float)
    params = [row.tails[0][parameter] for parameter in record.parameters]
    # the variance of a VonMises is the circular one, which shared/test_closed_forms.py has
    names = ("entropy", "mean") if name == "VonMises" else ("entropy", "mean", "variance")
    moments = [m for m in names if getattr(record, m) and row.scipy]

    def evaluate(xp, q, one_minus_q, *params):
        parts = [record.quantile.find(xp, q, one_minus_q, *params)] if record.quantile else []
        return xp.stack([*parts, *(getattr(record, m)(xp, *params) + 0.0 * q for m in moments)])

    found = backend.values(evaluate, q, 1.0 - q, *(np.full(len(q), v) for v in params))
    if record.quantile:
        back = {"x": lambda y: y, "log": np.exp, "logit": lambda y: 1.0 / (1.0 + np.exp(-y))}
        x = back[record.quantile.coordinate](found[0])
        masses = [np.exp(row.log_masses(v, row.tails[0])) for v in x]
        # a rounding of x moves a mass by some eps |x| p(x); of a logarithm that is large, more
        np.testing.assert_allclose([m[0] for m in masses], q, rtol=200 * allowed, atol=allowed)
    exact = row.scipy(*row.tails[0].values()) if moments else None
    for moment, value in zip(moments, found[bool(record.quantile) :], strict=True):
        wanted = {"variance": lambda: exact.var()}.get(moment, lambda m=moment: getattr(exact, m)())()
        # SciPy's own digits in float64
        np.testing.assert_allclose(value, wanted, rtol=max(allowed, 1e-9), atol=max(allowed, 1e-9), err_msg=moment)


@each
@pytest.mark.parametrize("backend", BACKENDS[:2], ids=str)
def test_outside_of_the_support(name, backend):
    """No mass lies beyond an end, and its logarithm, -inf, moves with nothing."""
    record, row = RECORDS[name], BY_NAME[name]
    params = [row.tails[0][parameter] for parameter in record.parameters]
    ends = [float(end(backend.xp, *map(backend.array, params)) if callable(end) else end) for end in record.support]
    for end, outwards, lower, upper in ((ends[0], -1.0, -np.inf, 0.0), (ends[1], 1.0, 0.0, -np.inf)):
        if np.isinf(end):
            continue
        x = np.array([end, end + outwards])
        columns = [np.full(len(x), p) for p in params]

        def evaluate(xp, *args):
            logs = [f.value(xp, *args) for f in (log_cdf_of(record), log_sf_of(record))]
            pairs = zip((log_cdf_of(record), log_sf_of(record)), logs, strict=True)
            return xp.stack([*logs, *(p(xp, found, *args) + 0.0 * args[0] for f, found in pairs for p in f.partials)])

        log_cdf, log_sf, *partials = backend.values(evaluate, x, *columns)
        assert (log_cdf == lower).all() and (log_sf == upper).all()
        of_cdf, of_sf = np.split(np.array(partials), 2)
        assert ((of_cdf if end == ends[0] else of_sf) == 0.0).all() and np.isfinite(partials).all()

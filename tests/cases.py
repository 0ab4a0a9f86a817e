"""The families whose partials are judged in the kernels' own coordinates, as their rows have them, and how exactly."""

from tests.case import Case
from tests.rows import ROWS

# Worst relative error of a partial derivative over parameters from 1e-3 to 1e6 (and the hard points beyond) and
# quantiles from 1e-12 to 1 - 1e-12: the accuracy that docs/accuracy.md promises.  It is some 4500 eps of float64 and
# 17 eps of float32: the rules of `quadrature` have as many nodes as that takes, and no more.
PARTIAL = {"float64": 1e-12, "float32": 2e-6}

# The same for derivatives of partials, in the natural units of `Case.units`.  In float64 the promise of the partials
# holds (measured 2e-13).  In float32 the rules, whose nodes were counted for the integrand, are worse for its
# derivative (measured 1e-5: von Mises at kappa = 10.5; Beta(50, 0.1)).
SECOND = {"float64": 1e-12, "float32": 2e-5}

CASES: tuple[Case, ...] = tuple(row.case for row in ROWS if row.case)

# (case, coordinate) with ids, for pytest.mark.parametrize
COORDINATES = {f"{case.family}-{name}": (case, name) for case in CASES for name in case.kernels}

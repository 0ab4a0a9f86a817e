"""Make ``references.json``: partial derivatives of draws at hard points, from the mpmath oracles.

    python tests/references.py [gamma] [beta] [student_t] [von_mises]

(ten minutes on one core; needs tqdm beside the test extra) makes the families named, or all, and keeps the others that
the file holds.  Any point that an oracle cannot settle ends the script with its row in the message.

The file has one row a line:

    params      the parameters, exact doubles, in the order of the family's oracle
    at          the draw's coordinate, an exact double: gamma z or log z, beta logit z, student_t log|t|, von_mises z
    partials    d coordinate / d parameter at a fixed quantile, rounded to double (gamma always d log z / da)
    second      some rows: for each partial, its derivatives by (coordinate, each parameter), gamma's by log z
    float32     whether params and at (for gamma also z or log_z, whichever is the coordinate) are exact in float32
    quantile    the nominal quantile from which ``at`` was rounded; null for a point chosen by its coordinate
    coordinate, z, log_z    gamma only: which of the two is the exact point (z from 1e-30 up), and both as doubles
"""

import itertools
import json
import math
import pathlib
import sys

import numpy as np
from mpmath import mp
from tqdm import tqdm

if __name__ == "__main__":  # a script's path begins with its own folder, whose pyro/ and numpyro/ would hide the hosts
    sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

from tests import oracles

PATH = pathlib.Path(__file__).with_name("references.json")
QUANTILES = (1e-12, 1e-6, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1 - 1e-6, 1 - 1e-12)
# Thinned for the 145 pairs of beta: between them the two precisions see every quantile.
BETA_QUANTILES = {True: (1e-12, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-12), False: (1e-6, 0.3, 0.7, 1 - 1e-6)}
# Upper half only: Student's t and von Mises are symmetric.
UPPER_QUANTILES = (0.501, 0.6, 0.75, 0.9, 0.999, 1 - 1e-6, 1 - 1e-12)

GAMMA = (1e-6, 1e-3, 0.01, 0.02, 0.3, 0.5, 1.0, 1.5, 2.0, 8.0, 30.0, 100.0, 1e3, 1e4, 65536.0, 1e6)
BETA = (1e-3, 0.01, 0.1, 0.5, 1.0, 2.0, 8.0, 50.0, 1e3, 1e4, 65536.0, 1e6)
STUDENT_T = (1e-3, 0.05, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0, 1e3, 1e5, 1e6, 1e8)
VON_MISES = (0.0, 1e-8, 1e-3, 0.1, 0.5, 1.0, 2.0, 5.0, 10.5, 11.0, 50.0, 1e3, 1e4, 1e6, 1e8)

# Where second derivatives are taken: parameters (before rounding) and quantiles, on the float32 rows.
SECOND = {
    "gamma": ({(a,) for a in (1e-3, 0.02, 0.5, 1.0, 2.0, 30.0, 1e3, 1e6)}, {1e-6, 0.3, 0.999}),
    "beta": (
        {(0.01, 0.01), (0.5, 0.5), (1, 1), (2, 8), (8, 0.5), (50, 0.1), (1e4, 2), (1e6, 1e6), (0.28488, 34051)},
        {1e-3, 0.1, 0.9},
    ),
    "student_t": ({(nu,) for nu in (0.05, 0.5, 1.0, 2.0, 5.0, 30.0, 1e3, 1e6)}, {0.6, 0.9, 0.999}),
    "von_mises": ({(k,) for k in (0.0, 1e-3, 0.5, 2.0, 10.5, 50.0, 1e4, 1e6)}, {0.6, 0.9, 0.999}),
}


def rounded(x, float32):
    """x, a double, or the float32 nearest to it."""
    return float(np.float32(x)) if float32 else float(x)


def grid(parameters, quantiles):
    """(nominal parameters, float32, quantile), the float32 points first."""
    for float32 in (True, False):
        chosen = quantiles[float32] if isinstance(quantiles, dict) else quantiles
        for params, q in itertools.product(parameters, chosen):
            yield params, float32, q


def gamma_points():
    """From the quantiles; and z = a, z = a (1 +- 1e-8)."""
    for params, float32, q in grid([(a,) for a in GAMMA], QUANTILES):
        (a,) = (rounded(p, float32) for p in params)
        yield params, (a,), gamma_place(oracles.gamma_quantile(q, a), float32), float32, q
    for a in GAMMA:
        places = {(rounded(a, True), True), (a, False), (a * (1 + 1e-8), False), (a * (1 - 1e-8), False)}
        for z, float32 in sorted(places):
            yield (a,), (rounded(a, float32),), {"coordinate": "z", "at": z, "z": z}, float32, None


def gamma_place(log_z, float32):
    """The fields of the point near log_z: z itself from 1e-30 up, log z below, where z as a double may be 0."""
    if log_z >= math.log(1e-30):
        z = rounded(math.exp(log_z), float32)
        if z >= 1e-30:
            return {"coordinate": "z", "at": z, "z": z}
    log_z = rounded(log_z, float32)
    return {"coordinate": "log_z", "at": log_z, "z": float(mp.exp(log_z)), "log_z": log_z}


def beta_points():
    """From the quantiles; and the mean's log-odds, exact and with 1e-8 added and taken away."""
    pairs = [*itertools.product(BETA, BETA), (0.28488, 34051.0)]
    for params, float32, q in grid(pairs, BETA_QUANTILES):
        exact = tuple(rounded(p, float32) for p in params)
        yield params, exact, {"at": rounded(oracles.beta_quantile(q, *exact), float32)}, float32, q
    for a, b in pairs:
        for step in (-1e-8, 0.0, 1e-8):
            yield (a, b), (a, b), {"at": math.log(a / b) + step}, False, None


def student_t_points():
    """From the quantiles; and t = 1e-8, 1e6."""
    for params, float32, q in grid([(nu,) for nu in STUDENT_T], UPPER_QUANTILES):
        exact = tuple(rounded(p, float32) for p in params)
        yield params, exact, {"at": rounded(oracles.student_t_quantile(q, *exact), float32)}, float32, q
    for nu, t in itertools.product(STUDENT_T, (1e-8, 1e6)):
        yield (nu,), (nu,), {"at": math.log(t)}, False, None


def von_mises_points():
    """From the quantiles, the last float below pi where rounding passes it; and z = 1e-8, pi - 1e-6."""
    for params, float32, q in grid([(kappa,) for kappa in VON_MISES], UPPER_QUANTILES):
        exact = tuple(rounded(p, float32) for p in params)
        last = float(np.nextafter(np.float32(math.pi), np.float32(0))) if float32 else math.pi
        at = min(rounded(oracles.von_mises_quantile(q, *exact), float32), last)
        yield params, exact, {"at": at}, float32, q
    for kappa, z in itertools.product(VON_MISES, (1e-8, math.pi - 1e-6)):
        yield (kappa,), (kappa,), {"at": z}, False, None


FAMILIES = {
    "gamma": (oracles.gamma_partial, gamma_points),
    "beta": (oracles.beta_partial, beta_points),
    "student_t": (oracles.student_t_partial, student_t_points),
    "von_mises": (oracles.von_mises_partial, von_mises_points),
}


def coordinate(row):
    """The exact coordinate of a row as its oracle takes it: gamma's log z of the exact z, to 100 digits."""
    with mp.workdps(100):
        return mp.log(row["at"]) if row.get("coordinate") == "z" else mp.convert(row["at"])


def check_von_mises(row, partials):
    """Series and quadrature must agree in 30 digits at every point."""
    with mp.workdps(oracles.DIGITS):
        (other,) = oracles.von_mises_partial_by_quadrature(*row["params"], row["at"])
        if abs(other - partials[0]) > mp.mpf("1e-30") * abs(partials[0]):
            raise ArithmeticError(f"series {partials[0]} and quadrature {other} disagree")


def complete(family, nominal, row):
    """The row with its partials and, where SECOND asks, their derivatives."""
    oracle = FAMILIES[family][0]
    at = coordinate(row)
    partials = oracle(*row["params"], at)
    if family == "von_mises":
        check_von_mises(row, partials)
    if family == "gamma":
        row["log_z"] = float(at)
    row["partials"] = [float(p) for p in partials]
    wanted, quantiles = SECOND[family]
    if row["float32"] and nominal in wanted and row["quantile"] in quantiles:
        slopes = oracles.derivatives(lambda x, *params: oracle(*params, x), [at, *row["params"]])
        row["second"] = [[float(v) for v in line] for line in slopes]
    numbers = [row["at"], *row["params"], *row["partials"], *itertools.chain(*row.get("second", []))]
    if not all(map(math.isfinite, numbers)) or 0.0 in row["partials"]:
        raise ArithmeticError("a number of this row is not finite, or a partial is zero")
    return row


def rows_of(family):
    """All rows of a family, without repetitions."""
    rows = {}
    for nominal, params, place, float32, q in tqdm(_points(family), desc=family, mininterval=2):
        row = {"params": list(params), **place, "float32": float32, "quantile": q}
        if (key := (params, row["at"], float32)) in rows:
            continue
        try:
            rows[key] = complete(family, nominal, row)
        except Exception as error:
            raise RuntimeError(f"{family}: no reference for the row {row}") from error
    return list(rows.values())


def _points(family):
    """The points of a family, as a list so that the progress bar knows its length."""
    return list(tqdm(FAMILIES[family][1](), desc=f"{family} points", mininterval=2))


def write(families):
    """Write the file, a row a line; by way of a neighbour, so that a reader never sees half a file."""
    blocks = (
        f'"{family}": [\n' + ",\n".join(json.dumps(row, allow_nan=False) for row in rows) + "\n]"
        for family, rows in families.items()
    )
    scratch = PATH.with_suffix(".json.part")
    scratch.write_text("{\n" + ",\n".join(blocks) + "\n}\n")
    scratch.replace(PATH)


def main(names):
    """Make the families named and write the file after each."""
    if unknown := set(names) - set(FAMILIES):
        raise SystemExit(f"unknown families {sorted(unknown)}; there are {list(FAMILIES)}")
    done = json.loads(PATH.read_text()) if PATH.exists() else {}
    for family in names or FAMILIES:
        done[family] = rows_of(family)
        write({name: done[name] for name in FAMILIES if name in done})
        seconds = sum("second" in row for row in done[family])
        print(f"{family}: {len(done[family])} rows, {seconds} with second derivatives", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

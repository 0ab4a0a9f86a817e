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

from mpmath import mp
from tqdm import tqdm

if __name__ == "__main__":  # a script's path begins with its own folder, whose pyro/ and numpyro/ would hide the hosts
    sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

from tests import oracles
from tests.cases import CASES
from tests.rows.von_mises import von_mises_partial_by_quadrature

PATH = pathlib.Path(__file__).with_name("references.json")
FAMILIES = {case.family: case for case in CASES}


def coordinate(row):
    """The exact coordinate of a row as its oracle takes it: gamma's log z of the exact z, to 100 digits."""
    with mp.workdps(100):
        return mp.log(row["at"]) if row.get("coordinate") == "z" else mp.convert(row["at"])


def check_von_mises(row, partials):
    """Series and quadrature must agree in 30 digits at every point."""
    with mp.workdps(oracles.DIGITS):
        (other,) = von_mises_partial_by_quadrature(*row["params"], row["at"])
        if abs(other - partials[0]) > mp.mpf("1e-30") * abs(partials[0]):
            raise ArithmeticError(f"series {partials[0]} and quadrature {other} disagree")


def complete(family, nominal, row):
    """The row with its partials and, where its case asks, their derivatives."""
    case = FAMILIES[family]
    at = coordinate(row)
    partials = case.oracle(*row["params"], at)
    if family == "von_mises":
        check_von_mises(row, partials)
    if family == "gamma":
        row["log_z"] = float(at)
    row["partials"] = [float(p) for p in partials]
    wanted, quantiles = case.seconds
    if row["float32"] and nominal in wanted and row["quantile"] in quantiles:
        slopes = oracles.derivatives(lambda x, *params: case.oracle(*params, x), [at, *row["params"]])
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
    return list(tqdm(FAMILIES[family].places(), desc=f"{family} points", mininterval=2))


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
        write(done)
        seconds = sum("second" in row for row in done[family])
        print(f"{family}: {len(done[family])} rows, {seconds} with second derivatives", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

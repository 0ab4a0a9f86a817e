"""The table of families: a row each, with its points (hard ones included), its oracles, and what it has.

Parameters go by the hosts' names; a Dirichlet's concentration is a tuple.  The rows know of no adapter: the tests in
`shared/` hold both to them.  A new family is a row, `ROW` of a file of its own in `rows/`, and every test that takes
its rows from here holds for it.
"""

from tests.rows import ROWS

BY_NAME = {row.name: row for row in ROWS}
FAMILIES = tuple(row for row in ROWS if not row.apart)
UNIVARIATE = tuple(row for row in FAMILIES if row.cdf)
SEVERAL_PARAMETERS = tuple(row for row in FAMILIES if len(row.points[0]) > 1)
DIRICHLETS = tuple(params["concentration"] for params in BY_NAME["Dirichlet"].points + BY_NAME["Dirichlet"].hard)

"""README's table of distributions is the registry's: every twin has its row, and no row promises another."""

import re

import numpyro_irg
import pyro_irg
from benchmarks.tables import README


def rows() -> dict[str, str]:
    """name of a class -> its row, from the table under "What you get"."""
    section = README.read_text(encoding="utf-8").split("## What you get\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return {name: line for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def test_every_twin_has_a_row():
    twins = {
        "Pyro": {twin.__name__ for twin in pyro_irg.implicit_twins().values()},
        "NumPyro": {twin.__name__ for twin in numpyro_irg.implicit_twins().values()},
    }
    found = rows()
    for library, names in twins.items():
        assert names <= found.keys(), f"README lacks {sorted(names - found.keys())} of {library}"
    own = set(pyro_irg.distributions.IMPLICIT) | set(numpyro_irg.distributions.IMPLICIT)
    assert found.keys() <= own, f"README promises {sorted(found.keys() - own)}"


def test_rows_name_the_one_library():
    for name, row in rows().items():
        ours = {"Pyro": name in pyro_irg.distributions.IMPLICIT, "NumPyro": name in numpyro_irg.distributions.IMPLICIT}
        for library, other in (("Pyro", "NumPyro"), ("NumPyro", "Pyro")):
            if not ours[other]:
                assert f"({library})" in row, f"README: {name} exists in {library} only; say ({library}) in its row"

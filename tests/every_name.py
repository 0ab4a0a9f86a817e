"""Programs that name every public class and function of an adapter, those too that are loaded later, for type checkers
to find: `python -m tests.every_name FOLDER` writes one for each host that is installed."""

import importlib
import importlib.util
import sys
from pathlib import Path

PROGRAM = """
from collections.abc import Callable
from typing import Any

import {package}
import {package}.distributions as dist
from {package} import infer, plot, special

CLASSES: tuple[type[dist.Distribution], ...] = ({classes})
FUNCTIONS: tuple[Callable[..., Any], ...] = ({functions})
"""


def program(package: str) -> str:
    modules = {name: importlib.import_module(f"{package}.{name}") for name in ("infer", "plot", "special")}
    ours, dist = (importlib.import_module(name) for name in (package, f"{package}.distributions"))
    is_class = {name: isinstance(getattr(dist, name), type) for name in dist.IMPLICIT}
    functions = [f"dist.{name}" for name in is_class if not is_class[name]]
    functions += [f"{package}.{name}" for name in ours.__all__ if callable(getattr(ours, name))]
    functions += [f"{name}.{each}" for name, module in modules.items() for each in module.__all__]
    classes = [f"dist.{name}" for name in is_class if is_class[name]]
    return PROGRAM.format(package=package, classes=",\n".join(classes), functions=",\n".join(functions))


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for host in filter(importlib.util.find_spec, ("pyro", "numpyro")):
        (folder / f"every_name_{host}.py").write_text(program(f"{host}_irg"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))

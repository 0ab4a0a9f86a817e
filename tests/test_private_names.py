"""Every private name of the hosts that the adapters use is still there: a release that removes one fails here.

Three kinds: names in imports and after a host's module, found in our sources; attributes that our sources read and
never define, found in the host's; and methods of a host's class that ours override, which are listed, for nothing else
would tell that the host calls them no more.
"""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import ROOT

HOSTS = {"pyro_irg": ("torch", "pyro"), "numpyro_irg": ("jax", "numpyro")}

# `python -m tests.test_private_names` prints these
OVERRIDDEN: dict[str, set[str]] = {
    "pyro_irg": {
        "AutoContinuous._setup_prototype",
        "AutoGuide._setup_prototype",
        "ContinuousBernoulli._cont_bern_log_norm",
        "ContinuousBernoulli._log_normalizer",
        "Distribution._validate_sample",
        "ELBO._get_trace",
        "ELBO._get_traces",
        "ExponentialFamily._log_normalizer",
        "StickBreakingTransform._call",
        "StickBreakingTransform._inverse",
        "Trace_ELBO._get_trace",
        "Transform._call",
        "Transform._inverse",
    },
    "numpyro_irg": {
        "AutoContinuous._get_posterior",
        "AutoContinuous._setup_prototype",
        "AutoGuide._setup_prototype",
        "StickBreakingTransform._inverse",
        "Transform._inverse",
    },
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name.strip("_") != ""


def trees(package: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def dotted(node: ast.expr) -> list[str] | None:
    """a.b.c as a list; None for what is no plain chain of names."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return [*base, node.attr]
    return None


def named_by_module(package: str) -> set[str]:
    """Dotted names with a private part: `torch._C.X`, imported or written out."""
    found = set()
    for _, tree in trees(package):
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    aliases[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
                    found.add(alias.name)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                for alias in node.names:
                    aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                    found.add(f"{node.module}.{alias.name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (chain := dotted(node)) and chain[0] in aliases:
                found.add(".".join([aliases[chain[0]], *chain[1:]]))
    return {name for name in found if name.split(".")[0] in HOSTS[package] and any(map(is_private, name.split(".")))}


def resolve(name: str) -> object:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def read_only(package: str) -> set[str]:
    """Private attributes that the package reads, and neither it nor the kernels define."""
    read, defined = set(), set()
    for folder in (package, "irg_kernels"):
        for _, tree in trees(folder):
            for node in ast.walk(tree):
                match node:
                    case ast.Attribute(attr=name, ctx=ast.Load()) if folder == package:
                        read.add(name)
                    case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                        defined.add(name)
                    case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                        defined.add(name)
    return {name for name in read - defined if is_private(name)}


def classes(package: str) -> set[type]:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path, _ in trees(package)]
    loaded = [importlib.import_module(name.removesuffix(".__init__")) for name in modules]
    return {
        c for m in loaded for c in vars(m).values() if inspect.isclass(c) and c.__module__.startswith(f"{package}.")
    }


def of_hosts(cls: type, package: str) -> list[type]:
    return [base for base in cls.__mro__ if base.__module__.split(".")[0] in HOSTS[package]]


def overridden(package: str) -> set[str]:
    return {
        f"{base.__name__}.{name}"
        for cls in classes(package)
        for name in vars(cls)
        if inspect.isfunction(vars(cls)[name]) or isinstance(vars(cls)[name], property)
        if is_private(name)
        for base in of_hosts(cls, package)
        if name in vars(base)
    }


@pytest.mark.parametrize("package", HOSTS)
class TestPrivateNames:
    @pytest.fixture(autouse=True)
    def _host(self, package):
        for host in HOSTS[package]:
            pytest.importorskip(host)

    def test_named_by_module(self, package):
        for name in sorted(named_by_module(package)):
            assert resolve(name) is not None, name

    def test_read_from_host_objects(self, package):
        parts = ("torch.distributions", "torch.autograd", "torch.nn.modules", "pyro", "jax._src", "numpyro")
        used = {base.__module__ for cls in classes(package) for base in of_hosts(cls, package)}
        loaded = [module for name, module in sorted(sys.modules.items()) if name.startswith(parts) or name in used]
        files = [getattr(module, "__file__", None) or "" for module in loaded]
        sources = [Path(file).read_text(encoding="utf-8") for file in files if file.endswith(".py")]
        defined = set(re.findall(r"(?:def |self\.|^    )(_\w+)", "\n".join(sources), re.M))
        of_modules = {part for name in named_by_module(package) for part in name.split(".")}
        missing = read_only(package) - of_modules - defined
        assert not missing, f"{package} reads {sorted(missing)}, which {HOSTS[package]} do not define"

    def test_overridden_methods_are_the_hosts(self, package):
        assert overridden(package) == OVERRIDDEN[package], (
            "removed upstream, or list it: python -m tests.test_private_names"
        )


if __name__ == "__main__":
    for package in HOSTS:
        print(
            package, sorted(named_by_module(package)), sorted(read_only(package)), sorted(overridden(package)), sep="\n"
        )

"""The house rules that no single function can break alone: imports, counterparts, sizes, public names, packaging.

tests, tutorials, benchmarks, demo -> pyro_irg | numpyro_irg -> irg_kernels -> standard library
"""

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# What each package may import beside itself and the standard library.  tqdm and numpy come with either host,
# scipy with jax; arviz_base and matplotlib are extras, imported where they are used.
MAY_IMPORT = {
    "irg_kernels": set(),
    "pyro_irg": {"irg_kernels", "torch", "pyro", "tqdm", "arviz_stats", "arviz_base", "matplotlib", "numpy"},
    "numpyro_irg": {
        "irg_kernels",
        "jax",
        "numpyro",
        "tqdm",
        "arviz_stats",
        "arviz_base",
        "matplotlib",
        "numpy",
        "scipy",
    },
}
# What may not be in sys.modules once all of a package has been imported, not even through its host.
MUST_NOT_LOAD = {
    "irg_kernels": {"torch", "pyro", "jax", "jaxlib", "numpyro", "numpy", "scipy", "pyro_irg", "numpyro_irg"},
    "pyro_irg": {"jax", "jaxlib", "numpyro", "numpyro_irg", "matplotlib", "arviz_base"},
    "numpyro_irg": {"torch", "pyro", "pyro_irg", "matplotlib", "arviz_base"},
}
HOSTS = {"pyro_irg": ("torch", "pyro"), "numpyro_irg": ("jax", "numpyro")}
EXTRA = {"pyro_irg": "pyro", "numpyro_irg": "numpyro"}

# Files that one adapter has and the other has not: path inside the package -> why.
WITHOUT_COUNTERPART: dict[str, str] = {
    "infer/reruns.py": "NumPyro's primitives must not be called inside grad and scan; Pyro runs the model itself again",
    "layout.py": "XLA's loops run along the last axis of the last use; torch's operations see contiguous memory",
    "lean.py": "JAX's operators are functions under jit of their own, which cost a trace more than XLA's compilation",
    "distributions/native.py": "JAX's incomplete gamma function is a loop over the whole batch, and slower than ours",
    "xp64.py": "eager torch computes float32 partials in float64; JAX has no float64 unless x64 is on",
    "xp_tame.py": "as xp64.py, for answers in float64",
    "by_numpy.py": "XLA compiles what eager torch pays for by the operation",
    "xp_numpy.py": "as by_numpy.py",
    "xp_numpy64.py": "as by_numpy.py",
    "xp_numpy_tame.py": "as by_numpy.py",
    "distributions/rejection.py": "a number of rejections that depends on values is eager torch's alone",
    "distributions/truncation_rule.py": "eager torch treats the elements apart that need more",
    "distributions/normal_mixture.py": "XLA fuses what eager torch computes array by array",
    "distributions/matrix_normal.py": "NumPyro's own is right",
    "distributions/zero_sum_normal.py": "NumPyro's own is right",
}
# Kernels that one adapter leaves unused: (adapter, kernel) -> why.
UNUSED_KERNELS = {
    ("numpyro_irg", name): "regions are for an eager library: XLA would compute all ways for all elements"
    for name in (
        "irg_kernels.generic.by_region",
        "irg_kernels.numerics.beta_pair",
        "irg_kernels.numerics.gamma_table",
        "irg_kernels.numerics.gamma_small",
        "irg_kernels.numerics.gamma_uniform",
    )
} | {
    ("numpyro_irg", "irg_kernels.generic.normal_mixture"): "XLA fuses what eager torch computes array by array",
    ("numpyro_irg", "irg_kernels.generic.truncated_normal"): "it takes float64, and looks whether that does",
}

# The floors of the kernels, top down: each imports those below it, and families two files of generic's.
FLOORS = ("adapter", "inference", "generic", "families", "numerics", "namespace")
FROM_ABOVE = {("families", "irg_kernels.generic.family"), ("families", "irg_kernels.generic.derived")}

MOST_LINES = 450
MOST_LINES_OF_A_FUNCTION = 50
# An absolute path of some machine, such as the place of a checkout or of a temporary file.
MACHINE_PATH = re.compile(r"(?<![\w.:/*])(?:/(?:home|root|work|tmp|usr|opt|var|mnt|srv|Users|private)/|[A-Z]:\\\w)")


def python_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def public_modules() -> list[str]:
    names = [module_name(path) for package in MAY_IMPORT for path in python_files(package)]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def is_public(path: Path) -> bool:
    """Whether users import from the module, see RELEASING.md, or all of its public names are taken as they are."""
    package, *inner = module_name(path).split(".")
    if package == "irg_kernels" or inner in ([], ["distributions"], ["infer"], ["plot"], ["special"]):
        return package != "irg_kernels"
    return f"from .{path.stem} import *" in (path.parent / "__init__.py").read_text(encoding="utf-8")


def public_names(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every (line, dotted name) that a file imports, wherever it stands: in a function and under TYPE_CHECKING too.

    `from a import b` gives `a.b`, for b may be a module; `from a import *` gives `a`.
    """
    module = module_name(path).split(".")
    package = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(package):
                raise AssertionError(f"{path.relative_to(ROOT)}:{node.lineno}: a relative import leaves the package")
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                yield node.lineno, ".".join(base if alias.name == "*" else [*base, alias.name])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "__import__",
            "import_module",
            "importlib.import_module",
        }:
            for argument in node.args[:1]:
                name = argument.value if isinstance(argument, ast.Constant) else f"<{ast.unparse(argument)}>"
                yield node.lineno, str(name)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter at the project's root."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


# ---------------------------------------------------------------------------------------------------------- imports


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_package_exists(package):
    assert (ROOT / package / "__init__.py").is_file(), f"{package}/__init__.py is missing"
    assert (ROOT / package / "py.typed").is_file(), f"{package}/py.typed is missing: its types reach no user"


def test_what_tests_import_is_there():
    """A file of which an import fails is skipped in silence: doctests of an adapter without its host ask for that."""
    missing = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files("tests")
        for line, name in imports(path)
        if name.split(".")[0] in {*MAY_IMPORT, "tests", "benchmarks"}
        if not _is_there(name)
    ]
    assert not missing, "\n".join(missing)


def _is_there(name: str) -> bool:
    module, _, last = name.rpartition(".")
    try:
        here = importlib.import_module(module or name)
        return not module or hasattr(here, last) or importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:  # of a host that is not installed
        return error.name is not None and error.name.split(".")[0] not in {*MAY_IMPORT, "tests", "benchmarks"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    allowed = {package} | MAY_IMPORT[package] | sys.stdlib_module_names
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files(package)
        for line, name in imports(path)
        if name.split(".")[0] not in allowed
    ]
    rule = f"{package} may import {sorted(MAY_IMPORT[package])} and the standard library only"
    assert not wrong, "\n".join([rule, *wrong])


def test_kernels_import_downwards():
    wrong = []
    for path in python_files("irg_kernels"):
        floor = module_name(path).split(".")[1:2]
        for line, name in imports(path):
            below = name.split(".")
            if not floor or below[0] != "irg_kernels" or below[1] == floor[0]:
                continue
            if FLOORS.index(below[1]) < FLOORS.index(floor[0]) and (floor[0], ".".join(below[:3])) not in FROM_ABOVE:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join([f"the kernels import downwards only: {' -> '.join(FLOORS)}", *wrong])


@pytest.mark.parametrize("adapter", HOSTS)
def test_distributions_are_imported_from_above_only(adapter):
    """What `distributions/` imports of its adapter does not import it back."""
    below, to_visit = set(), set(python_files(f"{adapter}/distributions"))
    while to_visit:
        below |= to_visit
        names = {name for path in to_visit for _, name in imports(path) if name.startswith(adapter)}
        found = {ROOT / Path(*name.split(".")[:k]).with_suffix(".py") for name in names for k in (2, 3)}
        to_visit = {path for path in found if path.is_file()} - below
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in below - set(python_files(f"{adapter}/distributions"))
        for line, name in imports(path)
        if name.startswith(f"{adapter}.distributions")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_fresh_import_loads_no_other_framework(package):
    modules = [module_name(path) for path in python_files(package)]
    assert modules, f"{package} has no modules"
    code = f"""
import importlib, json, sys
for name in {modules!r}:
    importlib.import_module(name)
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""
    done = run_python(code)
    assert done.returncode == 0, f"importing every module of {package} failed:\n{done.stderr}"
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert package in loaded
    assert not loaded & MUST_NOT_LOAD[package], f"importing {package} loads {sorted(loaded & MUST_NOT_LOAD[package])}"


@pytest.mark.parametrize(
    ("package", "missing"), [(package, host) for package, hosts in HOSTS.items() for host in hosts]
)
def test_missing_host_names_the_extra(package, missing):
    code = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
try:
    import {package}
except ImportError as error:
    print(error)
else:
    sys.exit("{package} was imported without {missing}")
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert f'pip install "pyro-irg[{EXTRA[package]}]"' in done.stdout


# ---------------------------------------------------------------------------------------------------- counterparts


def relative_files(package: str, folder: str = "") -> set[str]:
    here = ROOT / package / folder
    return {path.relative_to(ROOT / package).as_posix() for path in here.rglob("*.py")}


@pytest.mark.parametrize("folder", ["distributions", ""])
def test_adapters_are_counterparts(folder):
    pyro, numpyro = relative_files("pyro_irg", folder), relative_files("numpyro_irg", folder)
    assert pyro, f"pyro_irg/{folder} has no files"
    alone = (pyro ^ numpyro) - WITHOUT_COUNTERPART.keys()
    assert not alone, (
        f"no counterpart: pyro_irg {sorted(alone & pyro)}, numpyro_irg {sorted(alone & numpyro)}; "
        "write it, or give the reason in WITHOUT_COUNTERPART"
    )


def test_exceptions_are_still_needed():
    alone = relative_files("pyro_irg") ^ relative_files("numpyro_irg")
    assert WITHOUT_COUNTERPART.keys() <= alone, f"not exceptions any more: {sorted(WITHOUT_COUNTERPART.keys() - alone)}"


@pytest.mark.parametrize("adapter", HOSTS)
def test_every_kernel_serves_the_adapter(adapter):
    kernels = {module_name(path): path for path in python_files("irg_kernels") if path.name != "__init__.py"}
    assert kernels, "irg_kernels has no modules"

    def used_by(path: Path) -> set[str]:
        names = {name for _, name in imports(path)}
        return {kernel for kernel in kernels if any(f"{name}.".startswith(f"{kernel}.") for name in names)}

    reached: set[str] = set()
    to_visit = set().union(*(used_by(path) for path in python_files(adapter)), set())
    while to_visit:
        kernel = to_visit.pop()
        reached.add(kernel)
        to_visit |= used_by(kernels[kernel]) - reached
    unused = {kernel for kernel in kernels.keys() - reached if (adapter, kernel) not in UNUSED_KERNELS}
    assert not unused, f"{adapter} never reaches {sorted(unused)}"


# ------------------------------------------------------------------------------------------------- sizes and names


def test_no_file_is_too_long():
    folders = [*MAY_IMPORT, "tests", "benchmarks", "demo", "tutorials"]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in folders
        for path in python_files(folder)
    }
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert not long, f"over {MOST_LINES} lines; ask whether each is two things: {long}"


def test_no_function_is_too_long():
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": node.end_lineno - node.lineno + 1
        for folder in MAY_IMPORT
        for path in python_files(folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    }
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION}
    assert lengths and not long, f"over {MOST_LINES_OF_A_FUNCTION} lines: {long}"


@pytest.mark.parametrize("adapter", ["pyro_irg", "numpyro_irg"])
def test_public_functions_and_methods_say_what_they_return(adapter):
    silent = []
    for path in python_files(adapter):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for scope in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
            functions = [node for node in scope.body if isinstance(node, ast.FunctionDef)]
            silent += [f"{path.name}: {f.name}" for f in functions if f.name[0] != "_" and f.returns is None]
    assert not silent, silent


@pytest.mark.parametrize("name", public_modules())
def test_all_matches_reality(name):
    path = ROOT / Path(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    defined = public_names(tree)
    if path.name == "__init__.py":  # it only re-exports: what it takes from its own package is public
        defined |= {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith(name.split(".")[0]))
            for alias in node.names
            if alias.name[0] not in "_*" and (alias.asname or "")[:1] != "_"
        }
    listed = getattr(importlib.import_module(name), "__all__", None)
    if not is_public(path):  # what it gives to others is what has no underscore, which is not said twice
        assert listed is None or path.stem.startswith("xp"), f"{name} is private and needs no __all__"
        return
    assert listed is not None, f"{name} has no __all__, yet defines {sorted(defined)}"
    assert len(set(listed)) == len(listed), f"{name}.__all__ lists a name twice"
    absent = [entry for entry in listed if not hasattr(importlib.import_module(name), entry)]
    assert not absent, f"{name}.__all__ lists {absent}, which the module has not"
    assert defined <= set(listed), f"{name}.__all__ leaves out {sorted(defined - set(listed))}; list or underscore them"


@pytest.mark.parametrize("adapter", ["pyro_irg", "numpyro_irg"])
def test_what_has_no_underscore_serves_another_file(adapter):
    """A function or class that its own file alone uses, and no user imports, has an underscore or goes."""
    texts = {path: path.read_text(encoding="utf-8") for path in python_files(adapter)}
    words = {path: set(re.findall(r"\w+", text)) for path, text in texts.items()}
    for path in python_files("docs"), python_files("tests"), python_files("benchmarks"):
        words |= {each: set(re.findall(r"\w+", each.read_text(encoding="utf-8"))) for each in path}
    alone = {}
    for path in filter(lambda path: not is_public(path) and not path.stem.startswith("xp"), texts):
        used = set().union(*(found for other, found in words.items() if other != path))
        if unused := public_names(ast.parse(texts[path])) - used:
            alone[module_name(path)] = sorted(unused)
    assert not alone, alone


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_machine_paths(package):
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / package).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert not wrong, "\n".join(["absolute paths of one machine", *wrong])


@pytest.mark.parametrize(
    ("text", "found"),
    [("see /home/me/x", True), ('"/tmp/x"', True), ("C:\\Users", True), ("dz/tmp/dt", False), ("a/b", False)],
)
def test_machine_path_pattern(text, found):
    assert bool(MACHINE_PATH.search(text)) == found


# -------------------------------------------------------------------------------------------------------- packaging


def project_table() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins() -> dict[str, str]:
    """constraints.txt as name -> version; anything else than `name==version` (a URL, a path, an option) is an error."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            match = re.fullmatch(r"([a-z0-9.-]+)==([0-9a-z.]+)", line)
            assert match, f"constraints.txt holds names and pins only, not {line!r}"
            found[canonicalize_name(match[1])] = match[2]
    return found


def test_the_core_needs_nothing():
    assert project_table()["project"]["dependencies"] == []


def test_the_wheel_holds_the_three_packages():
    wheel = project_table()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) == set(MAY_IMPORT)


def test_each_adapters_extra_leaves_out_the_other_host():
    extras = project_table()["project"]["optional-dependencies"]
    names = {extra: {canonicalize_name(Requirement(line).name) for line in lines} for extra, lines in extras.items()}
    assert names["pyro"] == {"torch", "pyro-ppl", "arviz-stats"}
    assert names["numpyro"] == {"jax", "numpyro", "arviz-stats"}


def test_constraints_pin_every_extra():
    pinned = pins()
    requirements = [
        Requirement(line) for lines in project_table()["project"]["optional-dependencies"].values() for line in lines
    ]
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name != "pyro-irg":
            assert name in pinned, f"constraints.txt has no pin for {name}"
            assert requirement.specifier.contains(pinned[name]), f"{requirement} excludes the pin {pinned[name]}"

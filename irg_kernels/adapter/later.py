"""Classes that are loaded when they are first asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def later(
    package: str, names: Iterable[str], loaded: Mapping[str, Any], elsewhere: Mapping[str, str]
) -> dict[str, str]:
    """Class -> module, the class's name in snake case, of the package's classes that are not yet loaded.

    :param loaded: name -> class, the package's or the host's.
    :param elsewhere: class -> module, of those that share a file.
    """

    def is_here(name: str) -> bool:
        return getattr(loaded.get(name), "__module__", "").startswith(f"{package}.")

    def snake(name: str) -> str:
        return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()

    return {name: elsewhere.get(name, snake(name)) for name in names if not is_here(name)}

"""Import names of a package at first use, so that importing the package is quick."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import Any


def import_lazily(
    package: str, subpackages: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package.

    The public names are those that the package's ``__init__.py`` imports under ``if TYPE_CHECKING:``.

    Args:
        package: The package's ``__name__``.
        subpackages: Names of the package's own modules.
    """
    source = ast.parse(pkgutil.get_data(package, "__init__.py") or b"")
    imports = [
        node for block in source.body if isinstance(block, ast.If) for node in block.body
        if isinstance(node, ast.ImportFrom)
    ]  # fmt: skip
    names = {alias.name: str(node.module) for node in imports for alias in node.names}

    def get(name: str) -> Any:
        if name in names:
            return getattr(importlib.import_module(names[name]), name)
        if name in subpackages:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted((*names, *subpackages))

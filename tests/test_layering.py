"""The tree shows the architecture: a folder imports only folders below it, and there is no circle."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "explainsal"
COMMANDS = {"train", "evaluate", "explain", "predict", "prepare", "report", "distill", "export"}
BASE = {"errors", "lazy", "processes", "signals", "types", "threads", "fetch", "functional"}
MIDDLE = BASE | {"data", "metrics", "classical", "models", "tracing"}
BELOW = {  # what the files of each folder may import, beside those of the folder itself
    "errors": set(),
    "lazy": set(),
    "processes": set(),
    "signals": set(),
    "types": set(),
    "threads": set(),
    "version": set(),
    "fetch": {"errors"},
    "functional": {"errors", "types"},
    "data": BASE,
    "metrics": BASE,
    "classical": BASE,
    "models": BASE,
    "tracing": BASE,
    "explanation": BASE | {"tracing"},
    "distillation": BASE | {"tracing", "explanation", "models"},
    "datamodules": BASE | {"data", "models"},
    "modules": MIDDLE,
    "callbacks": MIDDLE | {"explanation", "modules"},
    "reporting": MIDDLE | {"explanation"},
    "tracking": MIDDLE | {"explanation", "reporting"},
    "workflows": MIDDLE
    | {"explanation", "distillation", "datamodules", "modules", "callbacks", "reporting", "tracking"},
    "app": MIDDLE
    | {"explanation", "distillation", "datamodules", "callbacks", "reporting", "tracking", "workflows"},
    "__init__": {"lazy", "threads", "types", "version", "models", "metrics", "datamodules", "explanation"}
    | {"distillation", "workflows"},
    **{command: {"app", "workflows", "errors", "data", "explanation", "reporting"} for command in COMMANDS},
}  # fmt: skip
HYDRA = {"app", *COMMANDS}  # the only places that know it


def modules():
    return sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Absolute names of everything the file imports, inside functions and under TYPE_CHECKING too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(path: Path) -> str:
    """First component below the package: a subpackage or a top-level module."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def test_every_folder_has_a_place():
    assert {part(path) for path in modules()} == set(BELOW)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_downwards(path):
    own = part(path)
    for name in imported(path):
        first, _, rest = name.partition(".")
        if first in ("hydra", "omegaconf"):
            assert own in HYDRA, f"{own} imports {name}"
        if first == "explainsal" and rest.split(".")[0] != own:
            assert rest.split(".")[0] in BELOW[own], f"{own} imports {name}"


def test_functional_needs_torch_alone():
    allowed = {
        "torch",
        "math",
        "collections",
        "contextlib",
        "dataclasses",
        "typing",
        "__future__",
        "explainsal",
        "functools",
        "itertools",
    }
    for path in (SOURCE / "functional").rglob("*.py"):
        # compiled loops are the one place that knows numba; where they run is decided without it
        if path.parent.name == "kernels":
            sharing = {"threading", "concurrent", "contextlib", "contextvars"}
            mine = allowed | (sharing if path.name == "dispatch.py" else {"numba", "numpy"})
            assert {name.split(".")[0] for name in imported(path)} <= mine, path
            continue
        assert {name.split(".")[0] for name in imported(path)} <= allowed, path


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_are_short(path):
    """At most 300 lines in a file, 50 in a function with its docstring."""
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 50, node.name

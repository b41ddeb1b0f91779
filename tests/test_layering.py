"""The tree shows the architecture: imports go one way, L0 <- L1 <- L2 <- L3, never sideways, never in a circle."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "explainsal"
LEVEL = {
    "errors": -1, "functional": 0, "fetch": 0,
    "models": 1, "classical": 1, "metrics": 1, "explanation": 1, "data": 1,
    "modules": 2, "datamodules": 2, "callbacks": 2, "reporting": 2,
    "__init__": 3, "baselines": 3, "cli": 3, "loading": 3, "null_models": 3, "record": 3, "scores": 3,
    "paper_tables": 3, "sweeping": 3,
    "table_rows": 3, "tracking": 3, "videos": 3,
    "train": 3, "evaluate": 3, "explain": 3, "predict": 3, "validate": 3, "prepare": 3, "report": 3, "distill": 3,
    "export": 3,
}  # fmt: skip
SIDEWAYS = {
    ("explanation", "models.layers"),  # layers of a network as data
    ("models", "explanation.standalone"),  # an explanation that became a model
    ("callbacks", "modules"),  # callbacks watch the loops of modules
}
ENTRY_POINTS_ONLY = ("hydra", "omegaconf")


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


def test_every_file_has_a_level():
    assert {part(path) for path in modules()} <= set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_downwards(path):
    own = part(path)
    for name in imported(path):
        if not name.startswith("explainsal."):
            assert not name.startswith(ENTRY_POINTS_ONLY) or LEVEL[own] == 3, f"{own} imports {name}"
            continue
        target = name.split(".")[1]
        if target == own or LEVEL.get(target, 3) < LEVEL[own]:
            continue
        if LEVEL[own] == 3 and LEVEL.get(target, 3) == 3:
            continue  # entry points share code; they are never imported from below
        below = name.removeprefix("explainsal.")
        assert any(own == a and below.startswith(b) for a, b in SIDEWAYS), f"{own} (L{LEVEL[own]}) imports {name}"


def test_functional_needs_torch_alone():
    allowed = {
        "torch",
        "math",
        "collections",
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
            sharing = {"concurrent", "contextlib", "contextvars"}
            mine = allowed | (sharing if path.name == "dispatch.py" else {"numba", "numpy"})
            assert {name.split(".")[0] for name in imported(path)} <= mine, path
            continue
        # the C kernels are built and called with the standard library, still without another package
        # and those for CUDA need what PyTorch's builds for it bring along
        own = ("native.py", "native_build.py", "fused.py")
        mine = allowed | sys.stdlib_module_names if path.name in own else allowed
        mine = mine | {"triton"} if path.name == "triton_kernels.py" else mine
        assert {name.split(".")[0] for name in imported(path)} <= mine, path

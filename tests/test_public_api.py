"""The names of the package: pinned, each of them there, and none of them loaded before its use."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import explainsal

NAMES = [
    "CMRNet", "DensityMap", "Distillation", "Explainer", "Explanation", "FixationBatch", "FolderDataModule",
    "MIT1003DataModule", "MSINet", "OSIEDataModule", "SaliconDataModule", "SaliencyMetrics", "SaliencyModel", "UNISAL",
    "__version__", "load_model",
]  # fmt: skip
SUBPACKAGES = [
    "callbacks", "classical", "data", "datamodules", "distillation", "explanation", "functional", "metrics", "models",
    "modules", "reporting", "tracing", "workflows",
]  # fmt: skip


def test_the_public_names_are_pinned():
    assert dir(explainsal) == sorted([*NAMES, *SUBPACKAGES])


@pytest.mark.parametrize("name", [*NAMES, *SUBPACKAGES])
def test_every_name_resolves(name):
    value = getattr(explainsal, name)
    if name in SUBPACKAGES:
        assert inspect.ismodule(value)
    else:
        assert getattr(value, "__name__", value) in (name, explainsal.__version__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = explainsal.nothing


def test_the_import_is_quick_and_loads_nothing_else():
    script = (
        "import json, sys, time; start = time.process_time(); import explainsal; spent = time.process_time() - start;"
        "print(json.dumps([spent, [m for m in ('torch', 'lightning', 'numpy', 'hydra') if m in sys.modules]]))"
    )
    spent, loaded = json.loads(subprocess.check_output([sys.executable, "-c", script]))
    assert spent < 0.1
    assert loaded == []

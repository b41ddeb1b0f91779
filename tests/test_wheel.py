"""A wheel built from the repository works from an empty folder: configuration, templates and typing marker included."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_holds_code_configuration_and_templates_and_nothing_else(unpacked):
    inside = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert {"explainsal/conf/train.yaml", "explainsal/py.typed"} <= inside
    assert any(name.startswith("explainsal/reporting/templates/") for name in inside)
    assert {name.split("/")[0] for name in inside if ".dist-info" not in name} == {"explainsal", "hydra_plugins"}
    plugins = {name for name in inside if name.startswith("hydra_plugins/")}
    assert "hydra_plugins/explainsal_search/sweeper.py" in plugins
    assert all(name.startswith("hydra_plugins/explainsal_search/") for name in plugins)  # the namespace is shared


@pytest.mark.parametrize("name", ["train", "evaluate", "explain", "predict", "prepare", "report"])
def test_commands_find_their_configuration(unpacked, tmp_path, name):
    done = subprocess.run(
        [sys.executable, "-m", f"explainsal.{name}", "--help"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [sys.executable, "-c", "from explainsal.app.cli import conf_dir; print(conf_dir())"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)}, capture_output=True, text=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(unpacked / "explainsal" / "conf")

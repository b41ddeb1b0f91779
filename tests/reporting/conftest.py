"""A fake run, written once; tests that damage it use a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.reporting.fake_run import write_fake_run


@pytest.fixture(scope="session")
def fake_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run; write only figures and the report into it."""
    return write_fake_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of few images, one preset and few layers; do not write into it."""
    folder = tmp_path_factory.mktemp("small_run")
    return write_fake_run(folder, images=3, presets=("sparse",), names=("stem.conv", "blocks.0.conv3", "readout"))


@pytest.fixture
def own_run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of the small run that a test may damage."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))

"""W&B content of a run, read from its objects; and the saved dashboard, which may show only this content."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from explainsal.errors import UserError
from explainsal.models.saliency_model import UNTRAINED
from explainsal.reporting.run_folder import read_run
from explainsal.tracking.dashboard.content import run_artifacts, run_content
from explainsal.tracking.dashboard.images import image_rows
from explainsal.tracking.dashboard.workspace import build_workspace, publish_workspace, write_workspace

TABLES = {
    "evaluation/results", "evaluation/scores", "evaluation/images", "evaluation/profile_ranks",
    "evaluation/profile_agreement", "explanation/layer_table", "explanation/filters", "explanation/bandwidth",
    "explanation/nulls",
}  # fmt: skip


@pytest.fixture
def run(own_run: Path):
    """Complete run with profiles, and pictures in place of figures."""
    rows = [(p, m, "cc", 0.5 + i, 0, 1, 9) for p in ("tuebingen", "mit2016") for i, m in enumerate(("deep", "chance"))]
    columns = ["profile", "model", "metric", "mean", "low", "high", "images"]
    pd.DataFrame(rows, columns=columns).to_csv(own_run / "profiles.csv", index=False)
    (own_run / "figures").mkdir(exist_ok=True)
    for name in ("curves", "strips", "layers", "profiles", "bank_sparse", "usage_sparse"):
        Image.new("RGB", (8, 6)).save(own_run / "figures" / f"{name}.png")
    return read_run(own_run)


@pytest.fixture(autouse=True)
def _staging(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "wandb"))


def test_a_whole_run_is_logged(run):
    content = run_content(run)
    assert set(content.media) >= TABLES
    layers = content.media["explanation/layer_table"]
    assert len(layers.data) == 3
    assert layers.columns[:2] == ["preset", "layer"]
    images = content.media["evaluation/images"]
    assert len(images.data) == len(run.gallery)
    assert {"id", "image", "ground truth", "deep", "explainable/sparse", "explainable/sparse - deep"} <= set(
        images.columns
    )
    assert content.summary["evaluation/deep/cc"] == pytest.approx(0.66)
    assert content.summary["explanation/sparse/distance_to_null"] == pytest.approx(0.25)
    assert content.summary["explanation/cc_to_deep"] == content.summary["explanation/sparse/cc_to_deep"]


def test_untrained_weights_are_called_so(run):
    environment = {**run.environment, "model": {**run.environment["model"], "weights": UNTRAINED}}
    gallery = tuple(replace(picture, description=UNTRAINED) for picture in run.gallery)
    for one, words in ((run, []), (replace(run, environment=environment, gallery=gallery), [UNTRAINED])):
        media = run_content(one).media
        for key in (key for key in TABLES if key.startswith("explanation/") or key == "evaluation/images"):
            frame = pd.DataFrame(media[key].data, columns=media[key].columns)
            assert [*frame.get("description", pd.Series()).unique()] == words, key


def test_parts_that_are_missing_are_left_out(run, own_run):
    for name in ("results.csv", "per_image.parquet", "profiles.csv", "explanation/sparse/coefficients.parquet"):
        (own_run / name).unlink()
    media = run_content(read_run(own_run)).media
    assert not {"evaluation/results", "evaluation/profile_ranks", "explanation/filters"} & set(media)
    assert "explanation/layer_table" in media


def test_shares_of_a_layer_sum_to_one(run):
    table = run_content(run).media["explanation/filters"]
    frame = pd.DataFrame(table.data, columns=table.columns)
    sums = frame.groupby(["preset", "layer", "parameter"])["share"].sum()
    assert sums.to_numpy() == pytest.approx(1)


def test_the_difference_is_white_where_maps_agree_and_red_where_the_explanation_has_more(run):
    row = image_rows(run)[0]
    picture = next(p for p in run.gallery if p.id == row.values["id"])
    deep, other = (np.maximum(picture.maps[name], 0) for name in ("deep", "explainable/sparse"))
    difference = other / other.max() - deep / deep.max()  # both are close to 0 somewhere
    shown = row.pictures["explainable/sparse - deep"].astype(int)
    most, least = np.unravel_index(difference.argmax(), deep.shape), np.unravel_index(difference.argmin(), deep.shape)
    same = np.unravel_index(np.abs(difference).argmin(), deep.shape)
    assert shown[most][0] > shown[most][2]
    assert shown[least][2] > shown[least][0]
    assert shown[same].min() > 230


def test_files_become_artifacts(run, own_run):
    (own_run / "report.html").write_text("<p>")
    found = {files.kind: files for files in run_artifacts(read_run(own_run), "abc")}
    assert set(found) == {"explanation", "results", "report"}
    assert found["explanation"].name == "explanation-abc"
    assert {"sparse/layers.csv", "sparse/coefficients.parquet", "sparse/maps.npz"} <= set(found["explanation"].files)
    assert {"results.csv", "per_image.parquet", "profiles.csv", "config.yaml"} <= set(found["results"].files)


def shown_keys(view: dict) -> set[str]:
    """Return every explainsal key that a panel of the definition shows."""
    text = json.dumps(view)
    return set(re.findall(r'"(?:summary:)?((?:train|val|training|evaluation|explanation)/[\w/.-]+)"', text))


def test_the_dashboard_shows_what_runs_log_and_nothing_else(run, tmp_path):
    workspace = build_workspace("team/explainsal")
    path = write_workspace(workspace, tmp_path / "dashboard.json")
    view = json.loads(path.read_text())
    asked = shown_keys(view)
    assert {key for key in asked if key in TABLES} == TABLES
    content = run_content(run)
    logged = set(content.media) | set(content.summary)
    # keys of presets and models that this small run lacks, and of the training loop
    general = {re.sub(r"/(paper|normalized)(?=/|$)", "/sparse", key) for key in asked}
    loop = {key for key in general if key.startswith(("train/", "val/"))}
    assert loop == {"train/loss", "val/loss", "val/cc", "val/sim", "val/nss", "val/kld"}
    assert general - loop <= logged


def test_the_dashboard_has_its_sections_and_survives_a_round_trip():
    import wandb_workspaces.workspaces as ws

    workspace = build_workspace("team/explainsal")
    assert [section.name for section in workspace.sections] == ["Training", "Evaluation", "Explanation", "Sweep"]
    again = ws.Workspace._from_model(workspace._to_model())
    assert [len(section.panels) for section in again.sections] == [len(s.panels) for s in workspace.sections]
    assert (again.entity, again.project) == ("team", "explainsal")


@pytest.mark.parametrize("project", ["explainsal", "a/b/c", "/b", "a/", ""])
def test_a_project_is_entity_and_name(project):
    with pytest.raises(UserError, match="ENTITY/PROJECT"):
        build_workspace(project)


def test_what_wandb_refuses_is_said_in_one_message(monkeypatch):
    workspace = build_workspace("team/explainsal")

    def refuse(self):
        raise ConnectionError("no network")

    monkeypatch.setattr(type(workspace), "save", refuse)
    with pytest.raises(UserError, match="no network.*wandb login"):
        publish_workspace(workspace)

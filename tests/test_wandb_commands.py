"""Offline W&B runs made by the real commands, read back from their files: what was logged is there, and usable."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image
from tests.commands import TINY, run, wandb_records

from explainsal.reporting.manifest import git_state

pytestmark = pytest.mark.slow

MORE = (
    "logger=wandb",
    "nulls=[shuffled_filters]",
    "evaluation.presets=[sparse]",
    "evaluation.gallery=2",
    "evaluation.explain_images=1",
)


class OfflineRun:
    """The records of one ``.wandb`` file, by what they are."""

    def __init__(self, folder: Path) -> None:
        (self.file,) = folder.glob("wandb/offline-run-*/*.wandb")
        records = wandb_records(self.file)
        assert records[-1].WhichOneof("record_type") == "exit"
        self.exit_code = records[-1].exit.exit_code
        self.id = next(r.run.run_id for r in records if r.HasField("run"))
        self.config, self.summary, self.history, self.artifacts = {}, {}, {}, {}
        for record in records:
            for item in (*record.config.update, *record.run.config.update):
                self.config[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
            for item in record.summary.update:
                self.summary["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
            for item in record.history.item:
                key = item.key or "/".join(item.nested_key)
                self.history.setdefault(key, []).append(json.loads(item.value_json))
            if record.HasField("artifact"):
                alias = next((a for a in record.artifact.aliases if a != "latest"), "")
                self.artifacts[record.artifact.type, record.artifact.name, alias] = record.artifact

    def files(self, kind: str, alias: str = "") -> dict[str, Path]:
        """Files of the artifacts of a type, each proven to be what was logged."""
        found = {}
        for (type_, _, name), artifact in self.artifacts.items():
            if (type_, name) == (kind, alias):
                for entry in artifact.manifest.contents:
                    content = Path(entry.local_path).read_bytes()
                    assert base64.b64encode(hashlib.md5(content).digest()).decode() == entry.digest
                    found[entry.path] = Path(entry.local_path)
        return found

    def table(self, key: str) -> dict:
        """A table as the browser would get it."""
        return json.loads((self.file.parent / "files" / self.history[f"{key}/path"][-1]).read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def trained(folder):
    run(folder, "train", *TINY, *MORE, "hydra.run.dir=outputs/trained")
    return OfflineRun(folder / "outputs/trained")


def test_training_logs_scalars_config_and_commit(trained):
    assert {"train/loss", "val/loss", "val/cc", "epoch"} <= set(trained.history)
    assert trained.config["model"]["width"] == 4
    assert trained.config["data"]["sizes"] == {"train": 16, "val": 4, "test": 6}
    environment = trained.config["environment"]
    assert environment["packages"]["torch"]
    assert environment["git_commit"] == git_state()[0]  # None only where the tests run from no checkout
    assert -1 <= trained.summary["evaluation/deep/cc"] <= 1
    assert 0 < trained.summary["explanation/layer_correlation"] <= 1
    assert trained.exit_code == 0


def test_tables_have_rows_and_pictures(trained):
    images = trained.table("evaluation/images")
    assert {"id", "image", "ground truth", "deep", "explainable/sparse", "explainable/sparse - deep"} <= set(
        images["columns"]
    )
    assert len(images["data"]) == 1  # of the one explained image
    values = {row[1] for row in trained.table("explanation/nulls")["data"]}
    assert values == {"explanation", "shuffled_filters"}
    pictures = {name: path for name, path in trained.files("run_table").items() if name.endswith(".png")}
    assert len(pictures) == 5
    assert {Image.open(path).size for path in pictures.values()} == {(64, 48)}
    for key in ("results", "scores", "profile_ranks", "profile_agreement"):
        assert trained.table(f"evaluation/{key}")["data"], key
    profiles = {row[0] for row in trained.table("evaluation/profile_agreement")["data"]}
    assert {"cc", "nss", "sauc"} <= profiles
    for key in ("layer_table", "filters", "bandwidth", "nulls"):
        assert trained.table(f"explanation/{key}")["data"], key
    assert Image.open(trained.file.parent / "files" / trained.history["explanation/bank/sparse/path"][-1]).width > 300


def test_checkpoints_and_explanations_are_artifacts(trained, folder):
    checkpoints = folder / "outputs/trained/checkpoints"
    for alias in ("best", "last"):
        (path,) = trained.files("model", alias).values()
        assert path.read_bytes() == (checkpoints / f"{alias}.ckpt").read_bytes()
    assert {"sparse/layers.csv", "sparse/coefficients.parquet", "sparse/maps.npz"} <= set(trained.files("explanation"))
    assert {"results.csv", "profiles.csv", "config.yaml"} <= set(trained.files("results"))
    assert set(trained.files("report")) == {"report.html"}
    inside = folder / "outputs"
    assert all(path.is_relative_to(inside) for kind in ("run_table", "model") for path in trained.files(kind).values())


def test_a_resumed_training_is_the_same_run(trained, folder):
    run(folder, "train", *TINY, "logger=wandb", "evaluate=false", "trainer.max_epochs=2",
        "resume=outputs/trained/checkpoints/last.ckpt", "hydra.run.dir=outputs/resumed")  # fmt: skip
    resumed = OfflineRun(folder / "outputs/resumed")
    assert resumed.id == trained.id
    assert min(resumed.history["trainer/global_step"]) > max(trained.history["trainer/global_step"]) - 2
    assert resumed.history["epoch"][-1] == 1


def test_explaining_uses_the_checkpoint_that_training_made(trained, folder):
    picture = next((folder / "data/synthetic").rglob("images/test/*.jpg"))
    run(folder, "explain", "checkpoint=outputs/trained/checkpoints/best.ckpt", f"image={picture}", "logger=wandb",
        "hydra.run.dir=outputs/explained")  # fmt: skip
    explained = OfflineRun(folder / "outputs/explained")
    assert explained.id != trained.id
    made = trained.artifacts["model", f"model-{trained.id}", "best"]
    used = explained.artifacts["model", f"model-{trained.id}", ""]
    assert used.use_after_commit
    assert not made.use_after_commit
    assert used.digest == made.digest
    assert {"sparse/layers.csv", "sparse/coefficients.parquet"} <= set(explained.files("explanation"))
    assert explained.config["explainer"]["preset"] == "sparse"
    assert explained.table("evaluation/images")["data"]


def test_evaluating_logs_to_wandb_too(trained, folder):
    run(folder, "evaluate", "model=itti", "logger=wandb", "data.sizes={train:16,val:4,test:6}",
        "data.image_size=[48,64]", "data.num_workers=0", "trainer=cpu", "hydra.run.dir=outputs/itti")  # fmt: skip
    evaluated = OfflineRun(folder / "outputs/itti")
    assert "evaluation/itti/cc" in evaluated.summary
    assert evaluated.table("evaluation/profile_ranks")["data"]

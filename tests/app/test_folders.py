"""A run's folder: made exclusively, locked while the run lasts, and free of what a former run left."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from explainsal.app import folders
from explainsal.app.folders import LOCK, make_free_folder, own_folder
from explainsal.app.messages import FOLDER_OPTIONS, describe_error
from explainsal.errors import UserError
from explainsal.fetch.disk import DiskError, require_space


def make(base: str, results: multiprocessing.Queue) -> None:
    results.put(make_free_folder(base))


def test_processes_that_start_in_the_same_second_get_folders_of_their_own(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    base = str(tmp_path / "2026-11-29" / "20-00-00")
    processes = [context.Process(target=make, args=(base, results)) for _ in range(4)]
    for process in processes:
        process.start()
    made = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert made == {base, f"{base}-2", f"{base}-3", f"{base}-4"}
    assert all(Path(folder).is_dir() for folder in made)


def test_the_same_process_keeps_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_made", {})
    base = str(tmp_path / "run")
    assert make_free_folder(base) == make_free_folder(base) == base
    monkeypatch.setenv("SLURM_PROCID", "1")  # the other processes of a run that Slurm starts share the first one's
    assert make_free_folder(f"{base}-other") == f"{base}-other"
    assert not Path(f"{base}-other").exists()


def test_where_none_can_be_made_hydra_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert make_free_folder(str(tmp_path / "file" / "run")) == str(tmp_path / "file" / "run")


def hold(folder: Path, connection: multiprocessing.connection.Connection) -> None:
    with own_folder(folder, "train", None):
        connection.send("held")
        connection.recv()


def test_a_folder_is_locked_until_its_process_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.recv() == "held"
    with pytest.raises(UserError, match="another process uses"), own_folder(tmp_path, "train", None):
        pass
    process.kill()
    process.join()
    with own_folder(tmp_path, "train", None):
        pass


@pytest.mark.parametrize("command", ["train", "evaluate", "explain"])
def test_results_of_a_former_run_go(tmp_path: Path, command: str) -> None:
    for name in ("gallery", "explanation", "checkpoints"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.npz").write_text("old")
    for name in ("results.csv", "report.html", "metrics.csv", ".writing-123", "notes.txt"):
        (tmp_path / name).write_text("old")
    with own_folder(tmp_path, command, None):
        pass
    kept = {"checkpoints", "notes.txt", LOCK} | ({"metrics.csv"} if command != "train" else set())
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_the_rows_of_a_table_stay(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("old")
    with own_folder(tmp_path, "table", None):
        pass
    assert (tmp_path / "results.csv").is_file()


def test_a_new_training_overwrites_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").write_text("weights")
    (tmp_path / "metrics.csv").write_text("epoch,step\n")
    with pytest.raises(UserError, match="resume="), own_folder(tmp_path, "train", None):
        pass
    with own_folder(tmp_path, "train", "last.ckpt"):
        pass
    assert (tmp_path / "metrics.csv").is_file()


def test_a_command_adds_the_options_of_folders_to_errors_of_the_disk(tmp_path):
    with pytest.raises(DiskError) as caught:
        require_space(tmp_path, 1 << 60, "unpacking a.zip")
    text = str(caught.value)
    assert "or choose another disk." in text
    assert "data.root" not in text
    assert describe_error(caught.value, tmp_path) == f"{text} {FOLDER_OPTIONS}"
    assert "data.root, paths.data, paths.outputs" in FOLDER_OPTIONS

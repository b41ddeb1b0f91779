"""Metrics file ``metrics.csv`` of a training, to which a resumed training appends."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from explainsal.fetch.writing import write_file

METRICS = "metrics.csv"


class MetricsFile(CSVLogger):
    """Lightning's CSV logger, except that it appends to an existing file.

    Args:
        save_dir: Folder of the run.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version="")

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Writer of the file."""
        if self._experiment is None:
            self._experiment = _AppendingWriter(log_dir=self.log_dir)
        return self._experiment


class _AppendingWriter(ExperimentWriter):
    def _check_log_dir_exists(self) -> None:
        """Keep the columns of an existing file; Lightning would remove the file."""
        self.metrics_keys = read_header(Path(self.metrics_file_path))


def read_header(path: Path) -> list[str]:
    """Return the columns of a metrics file; empty if the file does not exist."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def take_over_metrics(old: Path, new: Path, steps: int) -> None:
    """Copy the metrics that a training logged in its first `steps` steps to the run that resumes it.

    A row that was truncated by a kill is left out. Nothing is written if the old file does not exist.
    """
    if not old.is_file():
        return
    columns = read_header(old)
    with open(old, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(columns)][1:]
    place = columns.index("step") if "step" in columns else None
    kept = rows if place is None else [row for row in rows if row[place].isdigit() and int(row[place]) < steps]
    lines = [",".join(row) for row in (columns, *kept)]
    write_file(new, "".join(f"{line}\n" for line in lines))

"""Output folder of a workflow, with its record, loggers and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from explainsal import tracking
from explainsal.data.dataset import SaliencyDataset
from explainsal.processes import first_only
from explainsal.reporting.html import write_report
from explainsal.reporting.manifest import now, write_manifest
from explainsal.reporting.run_figures import write_figures

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


@dataclass(frozen=True)
class RunFolder:
    """The output folder of one run.

    Args:
        config: The options of the run, for its record.
        loggers: Lightning loggers that receive the run.
        weights: Weight file given to the run, if any; logged as its input.
        command: Name of the command and its arguments; empty for a call from Python.
        device: Device of the run; None: a GPU if available.
        started: Time in ISO format; default: now.
    """

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    loggers: Sequence[Logger] = ()
    weights: str | None = None
    command: Sequence[str] = ()
    device: torch.device | None = None
    started: str = field(default_factory=now)

    def record(self, model: dict[str, Any] | None = None, **known: Any) -> None:
        """Write the manifest of the run.

        Args:
            model: Description of the model, as `describe` returns it.
            known: Other fields of the :class:`~explainsal.reporting.manifest.Manifest`.
        """
        command, device = self.command, self.device
        write_manifest(
            self.folder, self.config, command=command, device=device, started=self.started, model=model, **known
        )

    def log_config(self) -> None:
        """Log the options and the record; call `record` first."""
        if self.loggers:
            tracking.log_config(self.loggers, self.folder, self.config)

    @first_only
    def finish(self, *, figures: bool = True) -> None:
        """Complete the record, write the report, print its path, and log the run.

        Args:
            figures: Whether the figures of the report are also written as files; loggers always get them.
        """
        self.record()
        if figures or self.loggers:
            write_figures(self.folder)
        print(f"report: {write_report(self.folder)}")
        if self.loggers:
            tracking.log_run(self.loggers, self.folder, self.config, self.weights)


def describe_data(dataset: SaliencyDataset) -> dict[str, object]:
    """Describe a data set for the manifest of a run."""
    return {"name": dataset.name, "split": dataset.split, "release": dataset.release, "images": len(dataset)}

"""Output folder of a workflow, with its record, loggers and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from explainsal.reporting.html import write_report
from explainsal.reporting.manifest import write_manifest
from explainsal.reporting.run_figures import write_figures
from explainsal.tracking.loggers import log_config, log_run


@dataclass(frozen=True)
class RunFolder:
    """The output folder of one run.

    Args:
        folder: Path of the folder.
        config: The options of the run, for its record.
        loggers: Lightning loggers that receive the run.
        weights: Weight file given to the run, if any; logged as its input.
        command: Name of the command and its arguments; empty for a call from Python.
        device: Device of the run; None: a GPU if available.
    """

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    loggers: Sequence[Logger] = ()
    weights: str | None = None
    command: Sequence[str] = ()
    device: torch.device | None = None

    def record(self, model: dict[str, Any] | None = None, *, restarted: bool = False, **known: Any) -> None:
        """Write the manifest of the run.

        Args:
            model: Description of the model, as `describe` returns it.
            restarted: Whether the folder may hold the manifest of an earlier run.
            known: Other fields of the :class:`~explainsal.reporting.manifest.Manifest`.
        """
        command, device = self.command, self.device
        write_manifest(
            self.folder, self.config, command=command, device=device, restarted=restarted, model=model, **known
        )

    def log_config(self) -> None:
        """Log the options and the record; call `record` first."""
        log_config(self.loggers, self.folder, self.config)

    @rank_zero_only
    def finish(self, *, figures: bool = True) -> None:
        """Complete the record, write the report, print its path, and log the run.

        Args:
            figures: Whether the figures of the report are also written as files; loggers always get them.
        """
        self.record()
        if figures or self.loggers:
            write_figures(self.folder)
        print(f"report: {write_report(self.folder)}")
        log_run(self.loggers, self.folder, self.config, self.weights)

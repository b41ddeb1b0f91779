"""Rebuild the figures and report.html of a finished run or sweep, or a single figure."""

from __future__ import annotations

from pathlib import Path

from explainsal.errors import UserError
from explainsal.explanation.presets import BANKS
from explainsal.reporting.html import write_report
from explainsal.reporting.manifest import MANIFEST
from explainsal.reporting.pooling import pool_runs
from explainsal.reporting.results.printing import print_results, write_table
from explainsal.reporting.results.table import results_tables
from explainsal.reporting.run_figures import FIGURES, write_bank, write_figure, write_figures
from explainsal.reporting.run_folder import read_run


def rebuild_report(folder: Path) -> list[Path]:
    """Redraw the figures of a run, print its results, and write its report; return the files."""
    run = read_run(folder)
    written = write_figures(folder)
    if run.results is not None:
        print_results(run.results)
        written.append(write_table(results_tables(run.results), run.folder / "figures" / "results.csv"))
    return [*written, write_report(folder)]


def rebuild_figure(folder: Path, figure: str | None, preset: str | None = None) -> list[Path]:
    """Redraw one figure of a run, for one preset or all; return the files.

    Raises:
        UserError: If the figure is unknown.
    """
    if figure is None:
        raise UserError(f"which figure? Give figure=NAME: {', '.join(FIGURES)}")
    return write_figure(read_run(folder), figure, preset=preset)


def draw_banks(name: str | None, folder: Path) -> list[Path]:
    """Draw pictures of the filter bank of this name, or of all; return the files."""
    names = [*BANKS] if name is None else [name]
    return [path for name in names for path in write_bank(name, folder)]


def pool_folds(folder: Path) -> list[Path]:
    """Print and write the results of all images of a multirun over folds; return the files."""
    print_results(pool_runs(folder))
    return [folder / "results.csv", folder / "per_image.parquet"]


def require_run(run: str | Path | None, outputs: Path) -> Path:
    """Return the folder of the run.

    Raises:
        UserError: If `run` is None; the message suggests the newest run.
    """
    if run is None:
        raise UserError(f"which run? Give run={newest_run(outputs) or 'outputs/<date>/<time>'}")
    return Path(run)


def publish_dashboard(project: str | None) -> list[Path]:
    """Save the W&B dashboard of ``ENTITY/PROJECT``, after writing its definition to a file."""
    if project is None:
        raise UserError("which project? Give project=ENTITY/PROJECT, as in the address wandb.ai/ENTITY/PROJECT")
    from explainsal.tracking.dashboard.workspace import build_workspace, publish_workspace, write_workspace

    workspace = build_workspace(project)
    path = write_workspace(workspace, Path.cwd() / "dashboard.json")
    print(f"the dashboard's definition: {path}")
    print(publish_workspace(workspace))
    return [path]


def newest_run(outputs: Path) -> Path | None:
    """Return the latest run in ``outputs/<date>/<time>``, or None."""
    return max((path.parent for path in outputs.glob(f"*/*/{MANIFEST}")), default=None)

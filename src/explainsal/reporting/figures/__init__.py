"""The figures of a run, each by its name, as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from explainsal.errors import UserError
from explainsal.reporting.figures.curves import curves_figure
from explainsal.reporting.figures.fidelity import fidelity_figure
from explainsal.reporting.figures.filters import usage_figure
from explainsal.reporting.figures.strips import strips_figure
from explainsal.reporting.figures.style import save_figure, styled
from explainsal.reporting.gallery import ranked_gallery, shown
from explainsal.reporting.run_folder import Run, read_run
from explainsal.reporting.usage import bandwidth_trend, filter_usage

STRIPS = 5


def write_figures(run_dir: Path | str) -> list[Path]:
    """Draw every figure that the run has the numbers for into its ``figures`` folder, as PNG and PDF.

    Raises:
        MissingFilesError: If `run_dir` is not a run.
        CorruptFileError: If a file of it cannot be read.
    """
    run = read_run(run_dir)
    available = [name for name, (path, _) in FIGURES.items() if not run.why_missing(path)]
    written = []
    for name in available:
        for preset in run.explanations if name == "usage" else [None]:
            if name == "usage" and run.explanations[str(preset)].coefficients is None:
                continue
            written += write_figure(run, name, preset=preset)
    return written


def write_figure(run: Run, name: str, *, preset: str | None = None, folder: Path | None = None) -> list[Path]:
    """Draw one figure as PNG and PDF.

    Args:
        run: What to draw.
        name: ``curves``, ``layers``, ``usage`` or ``strips``.
        preset: For ``usage``, whose filters; the last one (the most faithful of ours) where None.
        folder: Where to; the run's ``figures`` where None.

    Raises:
        UserError: If there is no such figure, or the run lacks its numbers.
    """
    if name not in FIGURES:
        raise UserError(f"no figure {name!r}; there are {', '.join(FIGURES)}")
    path, draw = FIGURES[name]
    reason = run.why_missing(path)
    if reason:
        raise UserError(f"cannot draw figure={name}. {reason}")
    if preset is not None and preset not in run.explanations:
        raise UserError(f"no preset {preset!r} in this run; it has {', '.join(run.explanations) or 'none'}")
    with styled():
        try:
            figure = draw(run, preset)
        except ValueError as error:
            raise UserError(f"cannot draw figure={name}: {error}") from error
        return save_figure(figure, folder or run.folder / "figures", f"{name}_{preset}" if preset else name)


def _usage(run: Run, preset: str | None) -> Figure:
    if not run.explanations:
        raise ValueError("this run has no explanation")
    tables = run.explanations[preset or list(run.explanations)[-1]]
    if tables.coefficients is None:
        raise ValueError(run.why_missing(f"explanation/{tables.preset}/coefficients.parquet"))
    usage = filter_usage(tables.coefficients)
    return usage_figure(usage, bandwidth_trend(usage))


def _strips(run: Run, preset: str | None) -> Figure:
    images = shown(ranked_gallery(run), STRIPS)
    labels = [f"{image.place}\nCC {image.cc:.2f}" if image.cc is not None else "" for image in images]
    return strips_figure([image.picture for image in images], labels)


def _curves(run: Run, preset: str | None) -> Figure:
    assert run.training is not None  # why_missing spoke otherwise
    return curves_figure(run.training)


def _layers(run: Run, preset: str | None) -> Figure:
    return fidelity_figure({preset: run.explanations[preset]} if preset else run.explanations)


# Name of the figure: the part of the run that it needs, and what draws it.
FIGURES: dict[str, tuple[str, Callable[[Run, str | None], Figure]]] = {
    "curves": ("metrics.csv", _curves),
    "strips": ("gallery", _strips),
    "layers": ("explanation", _layers),
    "usage": ("explanation", _usage),
}

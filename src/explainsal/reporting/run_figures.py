"""Figures of a run, each by its name, as PNG and PDF files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from explainsal.errors import UserError
from explainsal.explanation.bank import FilterBank
from explainsal.explanation.presets import BANKS, resolve_options
from explainsal.models.saliency_model import UNTRAINED
from explainsal.reporting.bank import bank_figure
from explainsal.reporting.figures.attribution import attribution_figure
from explainsal.reporting.figures.cascade import cascade_figure
from explainsal.reporting.figures.curves import curves_figure
from explainsal.reporting.figures.fidelity import fidelity_figure
from explainsal.reporting.figures.filters import usage_figure
from explainsal.reporting.figures.graph import graph_figure
from explainsal.reporting.figures.profiles import profiles_figure
from explainsal.reporting.figures.strips import strips_figure
from explainsal.reporting.figures.style import MUTED, save_figure, styled
from explainsal.reporting.gallery import ranked_gallery, shown
from explainsal.reporting.paper.figure import paper_table_figure
from explainsal.reporting.run_folder import GRAPH, Run, read_run
from explainsal.reporting.usage import bandwidth_trend, filter_usage

STRIPS = 5
_WITHOUT_NETWORK = ("bank", "table")  # figures independent of the run's network


def write_figures(run_dir: Path | str) -> list[Path]:
    """Draw every figure for which the run has the numbers into its ``figures`` folder, as PNG and PDF.

    Raises:
        MissingFilesError: If `run_dir` is not a run.
        CorruptFileError: If one of its files cannot be read.
    """
    run = read_run(run_dir)
    written = []
    for name, figure in FIGURES.items():
        presets = list(run.explanations) if figure.per_preset else [None]
        for preset in presets:
            if not run.why_missing(figure.part(preset)) and figure.wanted(run, preset):
                written += write_figure(run, name, preset=preset)
    return written


def write_figure(run: Run, name: str, *, preset: str | None = None, folder: Path | None = None) -> list[Path]:
    """Draw one figure as PNG and PDF.

    Args:
        name: One of :data:`FIGURES`.
        preset: Preset of the explanation. None: the last one, usually the most faithful, for ``usage`` and ``bank``;
            all for ``layers``.
        folder: Output folder. None: the run's ``figures``.

    Raises:
        UserError: If the figure or preset does not exist, or the run lacks its numbers.
    """
    if name not in FIGURES:
        raise UserError(f"no figure {name!r}; there are {', '.join(FIGURES)}")
    figure = FIGURES[name]
    reason = run.why_missing(figure.part(None))
    if preset is not None and not reason and preset not in run.explanations:
        raise UserError(f"no preset {preset!r} in this run; it has {', '.join(run.explanations) or 'none'}")
    if figure.per_preset and preset is None and run.explanations:
        preset = list(run.explanations)[-1]
    reason = reason or run.why_missing(figure.part(preset))
    if reason:
        raise UserError(f"cannot draw figure={name}. {reason}")
    with styled():
        try:
            drawn = figure.draw(run, preset)
            if run.untrained and name not in _WITHOUT_NETWORK:
                drawn.suptitle(UNTRAINED, fontsize=6, color=MUTED)
        except ValueError as error:
            raise UserError(f"cannot draw figure={name}: {error}") from error
        return save_figure(drawn, folder or run.folder / "figures", f"{name}_{preset}" if preset else name)


def write_bank(bank: str, folder: Path) -> list[Path]:
    """Draw a named filter bank, independently of a run.

    Raises:
        UserError: If the bank does not exist.
    """
    if bank not in BANKS:
        raise UserError(f"no filter bank {bank!r}; there are {', '.join(BANKS)}")
    with styled():
        return save_figure(bank_figure(BANKS[bank], bank), folder, f"bank_{bank}")


def _curves(run: Run, preset: str | None) -> Figure:
    assert run.training is not None  # ensured by write_figure
    return curves_figure(run.training)


def _profiles(run: Run, preset: str | None) -> Figure:
    if run.profiles is None:
        raise ValueError(
            "the maps of this run were scored by one metric profile; python -m explainsal.evaluate compares them all "
            "(evaluation.profiles)"
        )
    return profiles_figure(run.profiles)


def _strips(run: Run, preset: str | None) -> Figure:
    images = shown(ranked_gallery(run), STRIPS)
    labels = [f"{image.place}\nCC {image.cc:.2f}" if image.cc is not None else "" for image in images]
    return strips_figure([image.picture for image in images], labels)


def _paper_table(run: Run, preset: str | None) -> Figure:
    if run.paper_table is None:
        raise ValueError(
            "this run holds no table of the paper; `python -m explainsal.evaluate -m +experiment=table1` makes one"
        )
    return paper_table_figure(run.paper_table)


def _layers(run: Run, preset: str | None) -> Figure:
    return fidelity_figure({preset: run.explanations[preset]} if preset else run.explanations)


def _usage(run: Run, preset: str | None) -> Figure:
    tables = run.explanations.get(str(preset))
    if tables is None or tables.coefficients is None:
        raise ValueError("this run has no coefficients")
    usage = filter_usage(tables.coefficients)
    return usage_figure(usage, bandwidth_trend(usage))


def _bank(run: Run, preset: str | None) -> Figure:
    return bank_figure(run_bank(run, str(preset)), str(preset))


def _cascade(run: Run, preset: str | None) -> Figure:
    cascade = run.explanations[str(preset)].cascade
    if cascade is None:
        raise ValueError(
            f"no weights were randomized for preset {preset}; python -m explainsal.explain nulls=[cascade] does this"
        )
    return cascade_figure(cascade)


def _has_cascade(run: Run, preset: str | None) -> bool:
    return run.explanations[str(preset)].cascade is not None


def _graph(run: Run, preset: str | None) -> Figure:
    if run.graph is None:
        raise ValueError("this run holds no standalone model; python -m explainsal.distill makes one")
    return graph_figure(run.graph)


def _attribution(run: Run, preset: str | None) -> Figure:
    if run.attribution is None:
        raise ValueError(
            "this run has no attribution; python -m explainsal.explain model=standalone weights=... writes one"
        )
    return attribution_figure(run.attribution)


def run_bank(run: Run, preset: str) -> FilterBank:
    """Return the filter bank of a run's explanation: the preset's, with the changes in its manifest."""
    changes = run.manifest.presets.get(preset, {})
    base = "sparse" if preset == "standalone" else preset  # shared coefficients of explainsal.distill
    return resolve_options(base, bank=changes.get("bank"), low_pass=changes.get("low_pass")).bank


@dataclass(frozen=True)
class RunFigure:
    """A figure of a run.

    Args:
        path: File or folder of the run that it needs; ``{preset}`` stands for the name of a preset.
        draw: Function that draws it.
        wanted: Whether a run, or preset, has this figure at all.
    """

    path: str
    draw: Callable[[Run, str | None], Figure]
    wanted: Callable[[Run, str | None], bool] = lambda run, preset: True

    @property
    def per_preset(self) -> bool:
        """Return whether there is one figure per preset."""
        return "{preset}" in self.path

    def part(self, preset: str | None) -> str:
        """Return the part of the run that it needs; None: that of any preset."""
        return self.path.format(preset=preset) if preset else self.path.partition("/")[0]


FIGURES = {
    "table": RunFigure("table.csv", _paper_table, lambda run, preset: run.paper_table is not None),
    "curves": RunFigure("metrics.csv", _curves),
    "profiles": RunFigure("profiles.csv", _profiles, lambda run, preset: run.profiles is not None),
    "strips": RunFigure("gallery", _strips),
    "layers": RunFigure("explanation", _layers, lambda run, preset: bool(run.explanations)),
    "usage": RunFigure("explanation/{preset}/coefficients.parquet", _usage),
    "bank": RunFigure("explanation/{preset}/layers.csv", _bank),
    "cascade": RunFigure("explanation/{preset}/layers.csv", _cascade, _has_cascade),
    "graph": RunFigure(GRAPH, _graph, lambda run, preset: run.graph is not None),
    "attribution": RunFigure("attribution.csv", _attribution, lambda run, preset: run.attribution is not None),
}

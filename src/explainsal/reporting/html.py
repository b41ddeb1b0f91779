"""`report.html`: a run on one page that needs no network and no server, only a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from explainsal.fetch.writing import write_file
from explainsal.reporting import summary
from explainsal.reporting.bank import bank_figure
from explainsal.reporting.browser import browser_data
from explainsal.reporting.explanation_summary import explanation_headlines, explanation_sentences, null_headline
from explainsal.reporting.figures.attribution import PARTS, attribution_figure, attribution_text
from explainsal.reporting.figures.cascade import cascade_figure, cascade_text
from explainsal.reporting.figures.curves import training_panels
from explainsal.reporting.figures.fidelity import fidelity_figure, fidelity_text
from explainsal.reporting.figures.filters import bandwidth_panel, trend_text, usage_panel, usage_text
from explainsal.reporting.figures.graph import graph_figure, graph_text
from explainsal.reporting.figures.profiles import profiles_figure
from explainsal.reporting.figures.style import COLUMN_WIDTH, new_figure, styled, themed_svg
from explainsal.reporting.gallery import RankedImage, median, ranked_gallery, shown
from explainsal.reporting.nulls import distance_text, null_caption, null_command, null_table
from explainsal.reporting.paper.figure import paper_table_figure
from explainsal.reporting.paper.table import METRICS, PaperTable, find_cell, find_mark
from explainsal.reporting.pictures import file_uri, map_uri, photo_uri
from explainsal.reporting.results.profiles import agreement_table, agreement_text
from explainsal.reporting.results.table import ResultsTable, results_tables
from explainsal.reporting.results.titles import higher_is_better, metric_title, model_title, number
from explainsal.reporting.run_figures import run_bank
from explainsal.reporting.run_folder import ExplanationTables, Run, read_run
from explainsal.reporting.usage import bandwidth_trend, filter_usage

PHOTO_SIDE, MAP_SIDE = 480, 320
HERO_SIDE = 640
MEANINGFUL = 0.2  # mean correlation of the layers; an explanation below it is meaningless


def write_report(run_dir: Path | str) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    For a part that the run lacks, the page states what is missing and which command writes it.

    Raises:
        MissingFilesError: If `run_dir` is not a run.
        CorruptFileError: If one of its files cannot be read.
    """
    run = read_run(run_dir)
    path = run.folder / "report.html"
    write_file(path, render_report(run))
    return path


def render_report(run: Run) -> str:
    """Return the page as text."""
    templates = Environment(
        loader=PackageLoader("explainsal.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    templates.filters["code"] = _code
    templates.globals.update(
        metric_title=metric_title,
        model_title=model_title,
        number=number,
        higher_is_better=higher_is_better,
        paper_metrics=METRICS,
        find_cell=find_cell,
        find_mark=find_mark,
        null_caption=null_caption,
    )
    return templates.get_template("report.html").render(_content(run))


def _content(run: Run) -> dict[str, Any]:
    tables = results_tables(run.results) if run.results is not None else []
    ranked = ranked_gallery(run)
    browser = browser_data(run)
    return {
        "run": run,
        "title": summary.title(run, tables),
        "facts": summary.facts(run),
        "headlines": _headlines(run, tables),
        "sentences": _sentences(run, tables),
        "cautions": summary.cautions(run),
        "commands": summary.commands(run),
        "hero": _strip(median(ranked), HERO_SIDE) if ranked else None,
        "tables": tables,
        "profiles": _profiles(run),
        "curves": _curves(run),
        "paper_table": run.paper_table,
        "paper_figure": _paper_figure(run.paper_table) if run.paper_table is not None else None,
        "dots": any(picture.fixations is not None for picture in run.gallery),
        "gallery": [_strip(image, MAP_SIDE) for image in shown(ranked)],
        "ranked": any(image.rank is not None for image in ranked),
        "sections": _sections(run, ranked),
        "fidelity": _fidelity(run),
        "usage": [
            part for place, tables in enumerate(run.explanations.values()) if (part := _usage(run, tables, place))
        ],
        "standalone": _standalone(run),
        "browser": browser,
        "browser_json": _script_json(browser) if browser else None,
        "packages": sorted(run.manifest.packages.items()),
    }


def _sections(run: Run, ranked: list[RankedImage]) -> set[str]:
    """Return the page's sections, without those that the command never writes.

    A gallery that holds only the photo of the first screen is left out as well.
    """
    if run.paper_table is not None:
        return {"results"}
    standalone = run.graph is not None or run.attribution is not None
    absent = {
        "results": run.results is None and not run.expects("results.csv"),
        "training": run.training is None and not run.expects("metrics.csv"),
        "gallery": (len(ranked) == 1 and ranked[0].picture.fixations is None) or (standalone and not ranked),
        "explanation": not run.explanations and standalone,
    }
    return {"results", "training", "gallery", "explanation"} - {name for name, left_out in absent.items() if left_out}


def _headlines(run: Run, tables: list[ResultsTable]) -> list[summary.Headline]:
    if run.paper_table is not None:
        return summary.table_headlines(run.paper_table)
    if not tables:
        return explanation_headlines(run)
    preset = summary.best_explainable(tables[0]).partition("/")[2]
    return [*summary.headlines(tables[0]), *null_headline(run, preset)]


def _sentences(run: Run, tables: list[ResultsTable]) -> list[str]:
    if run.paper_table is not None:
        return run.paper_table.findings
    return summary.sentences(tables[0], run.per_image) if tables else explanation_sentences(run)


def _profiles(run: Run) -> dict[str, Any] | None:
    text = agreement_text(run.profiles) if run.profiles is not None else ""
    if run.profiles is None or not text:
        return None
    with styled():
        figure = profiles_figure(run.profiles, COLUMN_WIDTH, columns=2)  # readable on a phone
        svg = Markup(themed_svg(figure, "profiles", "Ranks by metric profile", text))
    rows = agreement_table(run.profiles).to_dict("records")
    return {"svg": svg, "text": text, "rows": rows}


def _curves(run: Run) -> list[Markup]:
    svgs = []
    for place, panel in enumerate(training_panels(run.training) if run.training is not None else []):
        with styled():
            figure = new_figure(2.6, 1.6)
            panel.draw(figure.subplots())
            svgs.append(Markup(themed_svg(figure, f"curve-{place}", panel.title, panel.text)))
    return svgs


def _paper_figure(table: PaperTable) -> Markup:
    with styled():
        figure = paper_table_figure(table)
        return Markup(themed_svg(figure, "paper-table", f"The rows of {table.about.source}", " ".join(table.notes)))


def _fidelity(run: Run) -> dict[str, Any] | None:
    if not run.explanations:
        return None
    texts = {preset: fidelity_text(tables) for preset, tables in run.explanations.items()}
    text = " ".join(f"{preset}: {sentence}" for preset, sentence in texts.items())
    with styled():
        figure = fidelity_figure(run.explanations, COLUMN_WIDTH + 0.5)
        svg = Markup(themed_svg(figure, "fidelity-figure", "Fidelity by layer", text))
    depths = {preset: tables.depth.to_dict("records") for preset, tables in run.explanations.items()}
    nulls = {
        preset: None if tables.fidelity_with_nulls is None else null_table(tables.fidelity_with_nulls)
        for preset, tables in run.explanations.items()
    }
    distances = {preset: distance_text(table) for preset, table in nulls.items() if table is not None}
    cascades = {preset: _cascade(tables.cascade, preset) for preset, tables in run.explanations.items()}
    return {
        "svg": svg, "texts": texts, "depths": depths, "nulls": nulls, "distances": distances, "cascades": cascades,
        "null_command": null_command(run),
    }  # fmt: skip


def _cascade(cascade: pd.DataFrame | None, preset: str) -> dict[str, Any] | None:
    if cascade is None:
        return None
    text = cascade_text(cascade)
    with styled():
        title = f"Preset {preset} with randomized weights"
        return {"svg": Markup(themed_svg(cascade_figure(cascade), f"cascade-{preset}", title, text)), "text": text}


def _usage(run: Run, tables: ExplanationTables, place: int) -> dict[str, Any] | None:
    if tables.coefficients is None or tables.coefficients.empty:
        return None
    usage = filter_usage(tables.coefficients)
    trend = bandwidth_trend(usage)
    with styled():
        figures = [
            (usage_panel(usage, name), f"Filter usage by {name}", usage_text(usage, name))
            for name in ("wavelength", "orientation", "bandwidth")
        ]
        figures.append((bandwidth_panel(usage, trend), "Mean bandwidth by layer", trend_text(trend)))
        svgs = [
            Markup(themed_svg(figure, f"usage-{place}-{number}", title, text))
            for number, (figure, title, text) in enumerate(figures)
        ]
        bank = run_bank(run, tables.preset)
        text = f"The {len(bank)} filters: coverage of the frequency plane, gain against frequency, and even parts"
        bank_picture = Markup(themed_svg(bank_figure(bank), f"bank-{place}", f"Bank of {tables.preset}", text))
    return {
        "preset": tables.preset,
        "panels": svgs,
        "bank": bank_picture,
        "trend": trend_text(trend),
        "caution": _low_correlation_caution(tables),
    }


def _standalone(run: Run) -> dict[str, Any] | None:
    """Return the graph of a standalone model, the shares of its parts, and the pictures that ``explain`` wrote."""
    panels = []
    with styled():
        if run.graph is not None:
            text = graph_text(run.graph)
            panels.append((text, Markup(themed_svg(graph_figure(run.graph), "graph", "The graph of the model", text))))
        if run.attribution is not None:
            text, figure = attribution_text(run.attribution), attribution_figure(run.attribution)
            panels.append((text, Markup(themed_svg(figure, "attribution", "Composition of the maps", text))))
    pictures = sorted((run.folder / "figures").glob(f"{PARTS}_*.png"))
    named = [(path.stem.removeprefix(f"{PARTS}_"), file_uri(path)) for path in pictures]
    return {"panels": panels, "pictures": named} if panels else None


def _low_correlation_caution(tables: ExplanationTables) -> str:
    """Return a caution if the filters explain almost nothing, because their choice is then arbitrary."""
    correlation = tables.depth["correlation"].mean()
    if correlation >= MEANINGFUL:
        return ""
    return f"These filters explain almost nothing (mean correlation {number(correlation)}); their choice means little."


def _strip(image: RankedImage, side: int) -> dict[str, Any]:
    """Return one gallery image: its pictures in order, and its fixations."""
    picture = image.picture
    height, width = picture.image.shape[:2]
    maps = [] if picture.density is None else [("Ground truth", map_uri(picture.density, side))]
    maps += [(model_title(name), map_uri(values, side)) for name, values in picture.maps.items()]
    fixations = [] if picture.fixations is None else [(round(x, 1), round(y, 1)) for x, y in picture.fixations.tolist()]
    return {
        "id": picture.id,
        "place": image.place,
        "cc": image.cc,
        "size": (width, height),
        "photo": photo_uri(picture.image, max(side, PHOTO_SIDE)),
        "maps": maps,
        "fixations": fixations,
        "has_truth": picture.density is not None,
    }


def _code(sentence: str) -> Markup:
    """Convert a sentence to HTML, with its parts in backticks as code."""
    parts = [Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(sentence.split("`"))]
    return Markup("").join(parts)


def _script_json(data: dict[str, Any]) -> Markup:
    """Encode JSON for a script element, so that no ``</`` ends the element early."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))

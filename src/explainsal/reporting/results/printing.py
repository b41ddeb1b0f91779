"""Output of the results table: to the terminal, and to a CSV file with a row per model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from explainsal.reporting.results.table import ResultsTable, Section, results_tables
from explainsal.reporting.results.titles import metric_title, model_title, number

GAP = 3  # characters between two columns


def rich_tables(table: ResultsTable, width: int) -> list[Table]:
    """Return the table for a terminal, split into parts that fit its width in characters."""
    screens = []
    for section in table.sections():
        parts = [_rich_table(table, section, metrics) for metrics in _parts(table, section, width)]
        parts[0].title = section.title
        screens += parts
    return screens


def _parts(table: ResultsTable, section: Section, width: int) -> list[list[str]]:
    """Split the section's metrics into parts that fit."""
    headed = max(len(line) for model in section.models for line in _head(table, model)) + GAP
    parts: list[list[str]] = [[]]
    room = width - headed
    for metric in section.metrics:
        needed = max(len(line) for model in section.models for line in _lines(table, model, metric)) + GAP
        if room < needed and parts[-1]:
            parts.append([])
            room = width - headed
        parts[-1].append(metric)
        room -= needed
    return parts


def _rich_table(table: ResultsTable, section: Section, metrics: Sequence[str]) -> Table:
    screen = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left")
    screen.add_column("model", no_wrap=True)
    for metric in metrics:
        screen.add_column(metric_title(metric), justify="right", no_wrap=True)
    for model in section.models:
        screen.add_row(_rich_head(table, model), *(_rich_cell(table, model, metric) for metric in metrics))
    return screen


def _rich_head(table: ResultsTable, model: str) -> Text:
    title, *subset = _head(table, model)
    return Text(title).append("".join(f"\n{line}" for line in subset), style="dim")


def _rich_cell(table: ResultsTable, model: str, metric: str) -> Text:
    """Return the mean, bold if it is the best, above its interval, so that nine metrics fit side by side."""
    cell = table.cells.get((model, metric))
    mean, *interval = _lines(table, model, metric)[1:]
    text = Text(mean, style="bold" if cell is not None and cell.best else "")
    for line in interval:
        text.append(f"\n{line}", style="dim not bold")
    return text


def _head(table: ResultsTable, model: str) -> list[str]:
    """Return the first cell of a row: the model, and its number of images unless it has all."""
    return [model_title(model), *filter(None, [table.remarks(model)])]


def _lines(table: ResultsTable, model: str, metric: str) -> list[str]:
    """Return the lines of a cell: the metric's title, the mean, and the interval if known."""
    cell = table.cells.get((model, metric))
    if cell is None:
        return [metric_title(metric), "–"]
    return [metric_title(metric), number(cell.mean), *filter(None, [cell.interval])]


def print_results(results: pd.DataFrame, console: Console | None = None) -> None:
    """Print every table of a run to the terminal, in parts that fit its width."""
    console = console or Console()
    for table in results_tables(results):
        print_table(table, console)


def print_table(table: ResultsTable, console: Console | None = None, caption: str = "") -> None:
    """Print one table to the terminal, followed by the caption (default: that of the table)."""
    console = console or Console()
    for screen in rich_tables(table, console.width):
        console.print(screen)
        console.print()
    console.print(caption or table.caption, style="dim", highlight=False)


def write_table(tables: Sequence[ResultsTable], path: Path) -> Path:
    """Write the tables as one CSV file: a row per protocol and model; columns ``cc``, ``cc_low``, ``cc_high`` etc."""
    rows = []
    for table in tables:
        for model in table.models:
            row: dict[str, object] = {**table.protocol, "model": model, "images": table.images.get(model)}
            for metric in table.metrics:
                cell = table.cells.get((model, metric))
                if cell is not None:
                    row |= {metric: cell.mean, f"{metric}_low": cell.low, f"{metric}_high": cell.high}
            rows.append(row)
    pd.DataFrame(rows).to_csv(path, index=False)
    return path

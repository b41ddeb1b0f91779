from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from explainsal.explanation import Explainer
from explainsal.explanation.fidelity import fidelity_rows
from explainsal.reporting.html import _headlines, render_report
from explainsal.reporting.nulls import distance_text, null_command, null_table
from explainsal.reporting.results.table import ResultsTable, results_tables
from explainsal.reporting.results.titles import metric_title
from explainsal.reporting.run_folder import ExplanationTables, read_run


@pytest.fixture
def tables(small_run: Path) -> ExplanationTables:
    return read_run(small_run).explanations["sparse"]


def of_cc(**reached: float) -> ResultsTable:
    rows = [(variant, "a", value) for variant, value in reached.items()]
    return null_table(pd.DataFrame(rows, columns=["variant", "image", "cc_to_deep"]))


def test_means_over_images_with_intervals_and_no_winner(tables: ExplanationTables) -> None:
    table = null_table(tables.fidelity)
    assert table.models == ("explanation", "shuffled_filters", "untrained_network", "random_layer")
    cell = table.cells["shuffled_filters", "cc_to_deep"]
    assert cell.mean == pytest.approx(0.60 + 0.01)
    assert cell.low < cell.mean < cell.high
    sections = {section.title: section.metrics for section in table.sections()}
    assert sections["Against the deep map"] == ("cc_to_deep", "layer_correlation")
    assert not any(cell.best for cell in table.cells.values())


def test_every_measure_of_an_explanation_but_scores_compares_with_the_network() -> None:
    """The columns equal those of a real explanation."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 3, padding=1))
    rows = fidelity_rows(Explainer(net)(torch.rand(1, 3, 24, 32)), ["a"])
    sections = {section.title: section.metrics for section in null_table(pd.DataFrame(rows)).sections()}
    assert set(sections) == {"Against the deep map"}
    assert sections["Against the deep map"][-2:] == ("layer_correlation", "weighted_layer_correlation")
    assert metric_title("weighted_layer_correlation") == "Weighted layer correlation"


def test_the_distance_is_that_to_the_best_null_model() -> None:
    table = of_cc(explanation=0.8, shuffled_filters=0.57, untrained_network=0.36)
    assert distance_text(table) == "CC to the deep map 0.80, +0.23 from the best null model (shuffled filters, 0.57)."


def test_a_null_model_that_does_better_is_said_to() -> None:
    table = of_cc(explanation=0.3, random_layer=0.5)
    assert "−0.20 from the best null model" in distance_text(table)


def test_without_null_models_there_is_no_distance() -> None:
    assert distance_text(of_cc(explanation=0.3)) == ""


def test_a_report_without_null_models_has_the_command_that_adds_them(small_run: Path) -> None:
    run = read_run(small_run)
    checkpoint = f"checkpoint={small_run.name}/checkpoints/best.ckpt"
    for began, said in (
        ("python -m explainsal.train +experiment=demo", f"python -m explainsal.evaluate {checkpoint} data=..."),
        ("python -m explainsal.explain image=a.jpg", "python -m explainsal.explain image=a.jpg"),
    ):
        same = replace(run, environment={"command": began})
        assert null_command(same) == f"{said} nulls=[shuffled_filters]"
    nulls = [line for line in _headlines(run, results_tables(run.results)) if line.label.startswith("Null model")]
    assert [(line.label, line.value) for line in nulls] == [("Null model: shuffled filters", "0.610")]
    bare = replace(run, explanations={"sparse": replace(run.explanations["sparse"], fidelity=None)})
    assert null_command(bare) in render_report(bare).replace("&#34;", '"')
    assert null_command(run) not in render_report(run)

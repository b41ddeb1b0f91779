"""A table of the paper: remarks on rows with few images on the first screen, and titles of rows."""

import pandas as pd

from explainsal.reporting.paper.figure import paper_table_figure
from explainsal.reporting.paper.table import Outcome, build_table
from explainsal.reporting.results.titles import model_title
from explainsal.reporting.summary import table_headlines

ROWS = {"itti": ("classical", 4), "explainable_cmrnet": ("explainable", 2), "cmrnet": ("network", 4)}


def test_a_headline_says_that_a_row_saw_few_images() -> None:
    outcomes = [Outcome(model, group, model_title(model), "scored") for model, (group, _) in ROWS.items()]
    per_image = pd.DataFrame([(m, i, 0.1 * i) for m, (_, n) in ROWS.items() for i in range(n)])
    per_image.columns = ["model", "index", "cc"]
    results = pd.DataFrame([(m, "cc", 0.3, 0.2, 0.4, n) for m, (_, n) in ROWS.items()])
    results.columns = ["model", "metric", "mean", "low", "high", "images"]
    lines = table_headlines(build_table("table1", outcomes, per_image, results, "osie test", "osie"))
    assert [(line.label, line.note) for line in lines] == [
        ("Explainable CMRNet", "CC [0.200, 0.400], 2 of 4 images"),
        ("ITTI", "CC [0.200, 0.400]"),
        ("CMRNet", "CC [0.200, 0.400]"),
    ]


def test_a_figure_leaves_out_rows_without_any_number() -> None:
    outcomes = [Outcome("itti", "classical", "ITTI", "missing"), Outcome("null", "null_model", "A null", "missing")]
    table = build_table("table1", outcomes, pd.DataFrame(), pd.DataFrame(), "nothing measured", "osie")
    labels = [label.get_text() for label in paper_table_figure(table).axes[0].get_yticklabels()]
    assert labels == ["ITTI"]  # the paper has a number

"""The cascade in a run's figures, sentence and report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from explainsal.errors import UserError
from explainsal.reporting.figures.cascade import CURVES, cascade_figure, cascade_text
from explainsal.reporting.html import render_report
from explainsal.reporting.run_figures import write_figure
from explainsal.reporting.run_folder import read_run

ROWS = [
    (0, "trained", 0, "a", 0.9, 1.0, 1.0),
    (0, "trained", 0, "b", 0.8, 1.0, 1.0),
    (1, "readout", 2, "a", 0.7, -0.5, 0.2),
    (1, "readout", 2, "b", 0.5, -0.3, 0.4),
]


@pytest.fixture
def cascade() -> pd.DataFrame:
    columns = ["step", "layer", "fresh", "image", "cc_to_deep", "maps", "explanations"]
    return pd.DataFrame(ROWS, columns=columns)


def test_curves_are_means_over_the_images(cascade: pd.DataFrame) -> None:
    axes = cascade_figure(cascade).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn[CURVES["maps"]] == pytest.approx([1, -0.4])
    assert drawn[CURVES["explanations"]] == pytest.approx([1, 0.3])
    assert drawn[CURVES["cc_to_deep"]] == pytest.approx([0.85, 0.6])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["trained", "readout (2)"]


def test_the_sentence_has_the_numbers(cascade: pd.DataFrame) -> None:
    assert "−0.40 and 0.30 with 2 of 2 layers randomized." in cascade_text(cascade)


def test_a_run_with_a_cascade_shows_it(own_run: Path, cascade: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="nulls=\\[cascade\\]"):
        write_figure(read_run(own_run), "cascade")
    cascade.to_csv(own_run / "explanation" / "sparse" / "cascade.csv", index=False)
    page = render_report(read_run(own_run))
    assert "Preset sparse with randomized weights" in page
    assert "−0.40 and 0.30 with 2 of 2 layers randomized." in page
    written = write_figure(read_run(own_run), "cascade", folder=own_run)
    assert [path.name for path in written] == ["cascade_sparse.png", "cascade_sparse.pdf"]

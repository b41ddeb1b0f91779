"""Figures of the composition of a standalone model's maps."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from explainsal.errors import UserError
from explainsal.reporting.figures.attribution import attribution_figure, attribution_text, parts_figure, shares
from explainsal.reporting.figures.style import styled
from explainsal.reporting.run_figures import write_figure
from explainsal.reporting.run_folder import Run

ROWS = [
    ("a", "source", "center", 0.5), ("a", "source", "stem", 0.75), ("a", "source", "clamping", -0.25),
    ("b", "source", "center", 0.25), ("b", "source", "stem", 1.0), ("b", "source", "clamping", -0.25),
    ("a", "wavelength", "12", 0.9), ("a", "wavelength", "none", 0.5), ("a", "wavelength", "6", 0.1),
    ("a", "wavelength", "blur 2", -0.25), ("a", "wavelength", "blur 1", -0.25),
    ("a", "orientation", "90", 0.5), ("a", "orientation", "0", 0.75), ("a", "source", "constant", 0.0),
]  # fmt: skip
TABLE = pd.DataFrame(ROWS, columns=["image", "by", "part", "variation"])


def test_shares_are_means_over_the_images_and_numbers_keep_their_order():
    sources = shares(TABLE, "source")
    assert sources["mean"].to_dict() == {"stem": 0.875, "center": 0.375, "clamping": -0.25}
    assert sources.loc["center", ["min", "max"]].tolist() == [0.25, 0.5]
    assert list(shares(TABLE, "wavelength").index) == ["6", "12", "blur 1", "blur 2", "none"]
    assert list(shares(TABLE, "orientation").index) == ["0", "90"]
    assert attribution_text(TABLE).startswith(
        "Of the maps’ variation, 88% from stem, 38% from center, -25% from clamping"
    )


def test_a_run_draws_its_attribution_or_says_what_makes_one(tmp_path):
    with styled():
        axes = attribution_figure(TABLE).axes
    assert [one.get_title(loc="left") for one in axes] == ["Source", "Wavelength or blur, px", "Orientation"]
    assert [label.get_text() for label in axes[2].get_xticklabels()] == ["0°", "90°"]
    run = Run(tmp_path, None, None, None, None, None, (), {}, (), attribution=TABLE)
    assert [path.name for path in write_figure(run, "attribution")] == ["attribution.png", "attribution.pdf"]
    with pytest.raises(UserError, match="explain model=standalone"):
        write_figure(replace(run, attribution=None), "attribution")


def test_the_parts_that_are_shown_add_up_to_the_map():
    parts = {f"p{i}": i * np.random.default_rng(i).normal(size=(6, 8)) for i in range(7)}
    whole = sum(parts.values())
    figure = parts_figure(np.zeros((12, 16, 3), np.uint8), whole, parts)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["image", "saliency map"]
    assert titles[-1].startswith("all others")
    assert sum(int(title.rpartition("\n")[2].rstrip("%")) for title in titles[2:]) == pytest.approx(100, abs=3)
    drawn = sum(np.asarray(axes.images[0].get_array()) for axes in figure.axes[2:])
    np.testing.assert_allclose(drawn, whole - whole.mean(), atol=1e-12)

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from PIL import Image
from tests.reporting.fake_run import NAMES, ORIENTATIONS, WAVELENGTHS

from explainsal.errors import UserError
from explainsal.explanation.presets import BANKS, PRESETS
from explainsal.reporting import run_figures
from explainsal.reporting.figures.curves import curves_figure, training_panels
from explainsal.reporting.figures.fidelity import fidelity_figure
from explainsal.reporting.figures.filters import trend_text, usage_figure
from explainsal.reporting.figures.strips import displayed, strips_figure
from explainsal.reporting.figures.style import COLUMN_WIDTH, styled, themed_svg
from explainsal.reporting.run_figures import FIGURES, run_bank, write_bank, write_figure, write_figures
from explainsal.reporting.run_folder import read_run
from explainsal.reporting.usage import Trend, bandwidth_trend, filter_usage


def test_the_same_run_makes_the_same_files(own_run: Path) -> None:
    run = read_run(own_run)
    first, again = (
        [path.read_bytes() for path in write_figure(run, "usage", preset="sparse", folder=own_run / str(place))]
        for place in range(2)
    )
    assert first == again


def test_figures_are_column_wide_at_300_dots_per_inch(own_run: Path) -> None:
    png, _ = write_figure(read_run(own_run), "layers")
    with Image.open(png) as picture:
        assert picture.width == round(COLUMN_WIDTH * 300)
        assert np.asarray(picture.convert("L")).std() > 10


def test_drawing_leaves_the_style_of_the_program_alone(fake_run: Path, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    write_figure(read_run(fake_run), "curves", folder=tmp_path)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_the_run_has_no_numbers_for_says_what_is_missing(own_run: Path, name: str) -> None:
    part = own_run / FIGURES[name].path.partition("/")[0]
    shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=name in ("table", "profiles", "attribution"))
    with pytest.raises(UserError, match=rf"figure={name}.*explainsal\."):
        write_figure(read_run(own_run), name)


def test_figures_without_numbers_are_left_out_of_all(own_run: Path) -> None:
    (own_run / "metrics.csv").unlink()
    shutil.rmtree(own_run / "gallery")
    (own_run / "explanation" / "sparse" / "coefficients.parquet").unlink()
    assert [path.name for path in write_figures(own_run)] == [
        f"{name}.{kind}" for name in ("layers", "bank_sparse") for kind in ("png", "pdf")
    ]


def record(folder: Path, changes: dict) -> None:
    """Store the options of a run's explanation in its manifest."""
    path = folder / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "presets": {"sparse": changes}}))


def test_the_bank_is_the_one_that_the_run_explained_with(own_run: Path) -> None:
    assert run_bank(read_run(own_run), "sparse") == PRESETS["sparse"].bank
    record(own_run, {"bank": {"n_orientations": 3}, "low_pass": [2.0]})
    changed = run_bank(read_run(own_run), "sparse")
    assert (changed.n_orientations, changed.low_pass) == (3, (2.0,))
    assert changed.wavelengths == PRESETS["sparse"].bank.wavelengths
    assert run_bank(read_run(own_run), "paper") == PRESETS["paper"].bank
    record(own_run, {"bank": {"name": "kovesi", "n_wavelengths": 2}})
    assert run_bank(read_run(own_run), "sparse").wavelengths == BANKS["kovesi"].wavelengths[:2]


def test_named_banks_need_no_run(tmp_path: Path) -> None:
    assert [path.name for path in write_bank("kovesi", tmp_path)] == ["bank_kovesi.png", "bank_kovesi.pdf"]
    with pytest.raises(UserError, match="paper, octave, kovesi"):
        write_bank("nothing", tmp_path)


def test_unknown_names_are_answered_with_those_that_are(fake_run: Path) -> None:
    with pytest.raises(UserError, match="table, curves, profiles, strips, layers, usage, bank"):
        write_figure(read_run(fake_run), "nothing")
    with pytest.raises(UserError, match="paper, normalized, sparse"):
        write_figure(read_run(fake_run), "usage", preset="nothing")


def test_curves_plot_the_mean_of_an_epoch() -> None:
    training = pd.DataFrame({
        "epoch": [0, 0, 0, 1, 1],
        "step": [1, 2, 2, 3, 4],
        "train/loss": [4.0, 2.0, math.nan, 1.0, math.nan],
        "val/loss": [math.nan, math.nan, 2.5, math.nan, 1.5],
        "val/kld": [math.nan, math.nan, 0.9, math.nan, 1.1],
        "val/cc": [math.nan, math.nan, 0.1, math.nan, 0.4],
    })  # fmt: skip
    loss, cc, kld = curves_figure(training).axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[3.0, 1.0], [2.5, 1.5]]
    assert cc.lines[0].get_ydata().tolist() == [0.1, 0.4]
    assert cc.lines[1].get_xdata() == [1]  # the best epoch: the largest CC, the least divergence
    assert kld.lines[1].get_xdata() == [0]
    assert [panel.text for panel in training_panels(training)] == [
        "Loss: training from 3.000 to 1.000, validation from 2.500 to 1.500.",
        "Validation CC: best 0.400 in epoch 1.",
        "Validation KLD ↓: best 0.900 in epoch 0.",
    ]


def test_a_run_of_no_epoch_has_no_curves() -> None:
    empty = pd.DataFrame({"epoch": [], "step": [], "train/loss": []})
    assert training_panels(empty) == []
    with pytest.raises(ValueError, match="no epoch"):
        curves_figure(empty)


def test_every_layer_name_stands_beside_its_row(fake_run: Path) -> None:
    with styled():
        left, right = fidelity_figure(read_run(fake_run).explanations).axes
    assert [label.get_text() for label in left.get_yticklabels()] == NAMES
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the input is at the top
    rows = pd.read_csv(fake_run / "explanation" / "sparse" / "layers.csv")
    expected = rows.groupby("layer")["correlation"].mean()
    np.testing.assert_allclose(left.lines[2].get_xdata(), expected)
    np.testing.assert_allclose(right.lines[2].get_xdata(), rows.groupby("layer")["relative_mae"].mean())


def test_heat_maps_have_a_row_per_parameter_and_one_for_low_pass(fake_run: Path) -> None:
    coefficients = read_run(fake_run).explanations["sparse"].coefficients
    assert coefficients is not None
    usage = filter_usage(coefficients)
    with styled():
        axes = usage_figure(usage, bandwidth_trend(usage)).axes
    meshes = [mesh for axis in axes for mesh in axis.collections if isinstance(mesh, QuadMesh)]
    shapes = {mesh.get_array().shape for mesh in meshes if mesh.get_array().shape[1] == len(NAMES)}
    assert shapes == {(len(WAVELENGTHS) + 1, len(NAMES)), (len(ORIENTATIONS) + 1, len(NAMES))}


def test_the_verdict_on_bandwidth_states_its_numbers() -> None:
    text = trend_text(Trend(-0.456, 2.0, 1.25, 21, (-0.6, -0.1)))
    assert text == (
        "The mean bandwidth shrinks with depth: 2.00 octaves in the first third of the layers, 1.25 in the last; "
        "rank correlation with depth −0.46 (single images −0.60 to −0.10)."
    )


def test_strips_put_every_fixation_on_its_pixel(fake_run: Path) -> None:
    image = read_run(fake_run).gallery[0]
    with styled():
        figure = strips_figure([image], ["best"])
    assert len(figure.axes) == 2 + len(image.maps)
    points = figure.axes[1].collections[0].get_offsets()
    assert image.fixations is not None
    np.testing.assert_allclose(points, image.fixations - 0.5)
    x0, x1 = figure.axes[1].get_xlim()
    assert (x0, x1) == (-0.5, image.image.shape[1] - 0.5)  # otherwise the points above would miss the picture


def test_strips_without_ground_truth_have_no_column_for_it(fake_run: Path) -> None:
    image = read_run(fake_run).gallery[0]
    bare = type(image)(image.id, image.image, None, None, {"deep": image.maps["deep"]})
    assert len(strips_figure([bare]).axes) == 2


def test_displayed_maps_of_nothing_stay_nothing() -> None:
    assert not displayed(np.zeros((2, 2))).any()
    assert not displayed(np.full((2, 2), -3.0)).any()
    assert not displayed(np.full((2, 2), 3.0)).any()


def test_displayed_maps_use_the_whole_range_whatever_their_offset() -> None:
    np.testing.assert_allclose(displayed(np.array([[5.0, 6.0, 7.0]])), [[0.0, 0.5, 1.0]])


def test_an_svg_follows_the_theme_of_its_page(fake_run: Path) -> None:
    training = read_run(fake_run).training
    assert training is not None
    with styled():
        svg = themed_svg(curves_figure(training), "curves", "Curves", 'with "quotes" & <signs>')
    assert svg.startswith("<svg viewBox=")
    assert 'role="img"' in svg
    assert 'aria-label="Curves. with &quot;quotes&quot; &amp; &lt;signs>"' in svg
    assert "var(--ink)" in svg
    assert "var(--series-0)" in svg
    assert "#1f2429" not in svg
    assert "metadata" not in svg


@pytest.mark.parametrize(("weights", "mark"), [("untrained weights", "untrained weights"), ("best.ckpt", "")])
def test_every_figure_of_a_network_without_weights_says_so(
    fake_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, mark: str
) -> None:
    run = read_run(fake_run)
    assert run.environment is not None
    run = replace(run, environment={**run.environment, "model": {"name": "unisal", "weights": weights}})
    titles: dict[str, str] = {}

    def keep(figure: Figure, folder: Path, name: str) -> list[Path]:
        titles[name.partition("_")[0]] = figure.get_suptitle()
        return []

    monkeypatch.setattr(run_figures, "save_figure", keep)
    for name in ("curves", "strips", "layers", "usage", "bank"):
        run_figures.write_figure(run, name, folder=tmp_path)
    assert "untrained" not in titles.pop("bank")  # it is the same for every network
    assert set(titles.values()) == {mark}

"""The picture of every bank can be drawn, and shows its content."""

from __future__ import annotations

from dataclasses import replace

import pytest

from explainsal.explanation import BANKS
from explainsal.explanation.presets import PRESETS
from explainsal.reporting.bank import bank_figure
from explainsal.reporting.figures.style import styled


@pytest.mark.parametrize("name", list(BANKS))
def test_every_bank_is_drawn_with_its_wavelengths(name, tmp_path):
    bank = replace(BANKS[name], low_pass=(2.0,))
    with styled():
        figure = bank_figure(bank, name)
        figure.savefig(tmp_path / "bank.png", dpi=60)
    plane, profile, patches = figure.axes
    labels = [text.get_text() for text in profile.get_legend().get_texts()]
    shown = {f.wavelength for f in bank.filters if f.kind == "log_gabor" and f.wavelength <= 256}
    assert {label.split(" px")[0] for label in labels[1:]} == {f"{w:g}" for w in shown}
    assert "$" not in profile.get_xticklabels()[0].get_text()  # Matplotlib sets formulas slowly
    assert patches.get_yticklabels()[0].get_text() == "0°"
    assert len(patches.get_yticklabels()) == bank.n_orientations
    assert "1 low-pass" in figure.get_suptitle()
    assert plane.images[0].get_array().shape == (256, 256)


def test_filters_beyond_nyquist_are_named_so():
    with styled():
        labels = [t.get_text() for t in bank_figure(BANKS["paper"]).axes[1].get_legend().get_texts()]
    assert [label for label in labels if "Nyquist" in label] == ["1 px (beyond Nyquist)", "1.5 px (beyond Nyquist)"]


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_bank_of_every_preset_is_drawn_each_filter_once(preset):
    bank = PRESETS[preset].bank
    with styled():
        title = bank_figure(bank).get_suptitle()
    low_pass = f" + {len(bank.low_pass)} low-pass" if bank.low_pass else ""
    longest = 256 if bank.up_to_map_size else float("inf")  # the picture's grid
    one = [f for f in bank.filters if f.kind == "log_gabor" and f.part == bank.parts[0] and f.wavelength <= longest]
    assert title == f"{len(one)} log-Gabor{low_pass} filters"

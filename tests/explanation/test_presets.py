"""Configuration groups name presets; their values live in Python alone."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tests.explanation.nets import Plain

from explainsal.app.cli import conf_dir
from explainsal.explanation import BANKS, PRESETS, Explainer, FilterBank, Options
from explainsal.explanation.presets import named_bank, resolve_options

CONF = Path(conf_dir())


def composed(group, name, *overrides):
    prefixed = [f"{group}.{override}" for override in overrides]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return OmegaConf.to_container(compose("explain", overrides=[f"{group}={name}", *prefixed])[group])


@pytest.mark.parametrize("preset", list(PRESETS))
def test_an_explainer_names_every_option_and_no_value(preset):
    options = composed("explainer", preset)
    assert options.pop("preset") == preset
    assert set(options) == {field.name for field in fields(Options)} | {"low_pass"}
    assert set(options.values()) == {None}


@pytest.mark.parametrize("name", [*BANKS, None])
def test_a_bank_names_every_parameter_and_no_value(name):
    node = composed("bank", name or "preset")
    assert node.pop("name") == name
    series = {"min_wavelength", "wavelength_factor", "n_wavelengths"}
    assert set(node) == {field.name for field in fields(FilterBank) if field.init} | series
    assert set(node.values()) == {None}


def test_files_and_presets_are_the_same_set():
    assert {path.stem for path in (CONF / "explainer").glob("*.yaml")} == set(PRESETS)
    assert {path.stem for path in (CONF / "bank").glob("*.yaml")} == {*BANKS, "preset"}


def test_a_composed_explainer_takes_overrides_of_both_groups():
    node = composed("explainer", "normalized", "top_k=3", "scales=[2,1]")
    node["bank"] = composed("bank", "octave", "n_orientations=2")
    options = Explainer(Plain(), **node).options
    assert (options.top_k, options.scales) == (3, (2, 1))
    assert options.bank.wavelengths == BANKS["octave"].wavelengths
    assert options.bank.n_orientations == 2
    assert options.selection == PRESETS["normalized"].selection


def test_changes_without_a_name_apply_to_the_presets_bank():
    bank = resolve_options("sparse", bank={"n_orientations": 3}, low_pass=[1.5]).bank
    assert bank.wavelengths == PRESETS["sparse"].bank.wavelengths
    assert (bank.n_orientations, bank.low_pass) == (3, (1.5,))


def test_wavelengths_are_a_series_of_which_single_values_change():
    own = PRESETS["sparse"].bank
    changed = resolve_options("sparse", bank={"n_wavelengths": 3, "sigma_on_f": 0.5}).bank
    assert changed.wavelengths == own.wavelengths[:3]
    assert (changed.sigma_on_f, changed.sigma_theta) == ((0.5,), own.sigma_theta)
    assert resolve_options("sparse", bank={"min_wavelength": 4}).bank.wavelengths == tuple(4.0 * 2**i for i in range(4))
    coarse = resolve_options("sparse", bank={"wavelength_factor": 3, "n_wavelengths": 3, "min_wavelength": 2}).bank
    assert coarse.wavelengths == (2.0, 6.0, 18.0)
    with pytest.raises(ValueError, match="given twice: omit wavelengths or n_wavelengths"):
        resolve_options("sparse", bank={"n_wavelengths": 3, "wavelengths": [3.0]})
    for wrong in ({"n_wavelengths": 0}, {"wavelength_factor": 1.0}):
        with pytest.raises(ValueError, match="factor above 1"):
            resolve_options("sparse", bank=wrong)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="paper, octave, kovesi"):
        named_bank("gabor")
    with pytest.raises(ValueError, match="has no wavelength"):
        named_bank("paper", wavelength=[3.0])


def test_width_is_kovesis_full_width_at_half_height():
    narrow, broad = BANKS["octave"].filters[1], BANKS["octave"].filters[0]
    assert (narrow.sigma_on_f, broad.sigma_on_f) == (0.75, 0.55)
    assert narrow.octaves == pytest.approx(0.98, abs=0.01)
    assert broad.octaves == pytest.approx(2.03, abs=0.01)

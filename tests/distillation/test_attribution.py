"""Attribution of a map, and the shares over a data set."""

from __future__ import annotations

import pytest
import torch
from tests.distillation.small import samples
from torch.testing import assert_close

from explainsal.distillation import (
    Stage,
    Standalone,
    attribute,
    term_table,
)
from explainsal.distillation.quality import attribution_table
from explainsal.distillation.stage import StageTerms
from explainsal.explanation import FilterBank
from explainsal.explanation.input_maps import input_maps
from explainsal.functional.log_gabor import filter_responses, gaussian_bank, log_gabor_bank


@pytest.mark.parametrize("by", ["source", "wavelength", "orientation", "part"])
def test_an_attribution_adds_up_to_the_map(fit, by):
    images = next(samples()())[0]
    parts = attribute(fit.model, images, by)
    assert_close(sum(parts.values()), fit.model(images)[:, 0], rtol=1e-4, atol=1e-5)
    assert len(parts) > 3


def test_the_parts_of_the_variation_add_up_to_one(fit):
    images = next(samples()())[0]
    table = attribution_table(attribute(fit.model, images), list("abcd"))
    assert table.groupby("image")["variation"].sum().to_numpy() == pytest.approx(1, abs=1e-5)
    assert table[table["part"] == "constant"]["variation"].abs().max() < 1e-9
    means = fit.model(images).mean((1, 2, 3)).detach().numpy()
    assert table.groupby("image")["mean"].sum().to_numpy() == pytest.approx(means, abs=1e-5)


def test_an_attribution_follows_blurs_down_to_the_image():
    """The last stage blurs a stage that blurs luminance: the whole map is attributed to luminance."""
    low, none = 3, -1  # positions in the bank, sigma 1 px even; unused

    def terms(*rows):
        source, place, which, weight = (torch.tensor([[row[i] for row in rows]]) for i in range(4))
        one = torch.ones(1)
        return StageTerms(source, place, which, weight.float(), 0.5 * one, torch.ones(1, len(rows)), one, -9 * one)

    bank = FilterBank((4.0,), 3, (0.6,), (0.6,), low_pass=(1.0,))
    first = Stage("first", (8, 8), ("input",), (0,), terms((0, 0, low, 2.0), (none, 0, none, 0.0)), bank)
    last = Stage("last", (8, 8), ("first",), (0,), terms((0, 0, low, 3.0), (0, 0, 0, 1.0)), bank)
    images = torch.rand(2, 3, 8, 8)
    parts = attribute(Standalone(bank, "luminance", (8, 8), [first, last]), images)
    blur = gaussian_bank((8, 8), [1.0])
    twice = filter_responses(filter_responses(input_maps(images), blur)[:, 0].real, blur).real
    assert_close(parts["input/luminance"], 3 * 2 * twice[:, 0, 0], rtol=1e-4, atol=1e-4)
    assert_close(parts["constant"], torch.full((2, 8, 8), 0.5))
    assert Standalone(bank, "luminance", (8, 8), [first, last]).image_responses(images)[1].shape == (2, 0, 8, 8)
    assert set(parts) == {"input/luminance", "first", "constant", "clamping"}  # first the stage's energy and constant
    kinds = attribute(Standalone(bank, "luminance", (8, 8), [first, last]), images, "wavelength")
    assert_close(kinds["thresholds"], torch.full((2, 8, 8), 3 * 0.5))
    assert_close(parts["first"], kinds["4"] + kinds["thresholds"])
    assert set(kinds) == {"blur 1", "4", "constant", "thresholds", "clamping"}
    with pytest.raises(ValueError, match="by must be one of"):
        attribute(Standalone(bank, "luminance", (8, 8), [first, last]), images, "colour")


def test_an_attribution_follows_even_and_odd_responses_down_to_the_image():
    """The last stage takes the odd response of the even response of luminance, and an energy."""
    bank = FilterBank((4.0,), 1, (0.6,), (0.6,), parts=("even", "odd", "energy"))

    def stage(name, source, *which):
        row, one = torch.tensor([which]), torch.ones(1)
        terms = StageTerms(0 * row, 0 * row, row, 2.0 * one.expand(row.shape), 0 * one, row.float(), one, -9 * one)
        return Stage(name, (8, 8), (source,), (0,), terms, bank)

    model = Standalone(bank, "luminance", (8, 8), [stage("first", "input", 0), stage("last", "first", 1, 2)])
    images = torch.rand(2, 3, 8, 8)
    parts = attribute(model, images)
    (gabor,) = log_gabor_bank((8, 8), [4.0], [0.0], (0.6,), (0.6,), sigma_unit=bank.sigma_unit)
    even = filter_responses(input_maps(images), gabor[None])[:, 0].real
    assert_close(
        parts["input/luminance"], 4 * filter_responses(even, gabor[None])[:, 0].imag[:, 0], rtol=1e-4, atol=1e-5
    )
    assert set(parts) == {"input/luminance", "first", "constant", "clamping"}


def test_a_clamped_map_has_its_lowest_value_and_no_other_part():
    """Luminance is blurred twice; the first blur is clamped below .6."""
    bank = FilterBank((4.0,), 1, (0.6,), (0.6,), low_pass=(1.0,))

    def stage(name, source, constant, lowest):
        row, one = torch.tensor([[1]]), torch.ones(1)
        terms = StageTerms(0 * row, 0 * row, row, 2.0 * one[None], constant * one, row.float(), one, lowest * one)
        return Stage(name, (8, 8), (source,), (0,), terms, bank)

    model = Standalone(
        bank, "luminance", (8, 8), [stage("first", "input", -0.5, 0.6), stage("last", "first", 0.25, -9)]
    )
    images = torch.rand(2, 3, 8, 8)
    parts = attribute(model, images)
    first = 2 * filter_responses(input_maps(images), gaussian_bank((8, 8), [1.0]))[:, 0, 0].real
    above = first - 0.5 > 0.6
    assert above.any()
    assert not above.all()
    for label, map in (("input/luminance", first), ("first", torch.full_like(first, -0.5))):
        blurred = filter_responses((map * above)[:, None], gaussian_bank((8, 8), [1.0]))[:, 0, 0].real
        assert_close(parts[label], 2 * blurred, rtol=1e-4, atol=1e-5)
    lowest = filter_responses(0.6 * (~above)[:, None].float(), gaussian_bank((8, 8), [1.0]))[:, 0, 0].real
    assert_close(parts["clamping"], 2 * lowest, rtol=1e-4, atol=1e-5)
    assert_close(sum(parts.values()), model(images)[:, 0], rtol=1e-4, atol=1e-5)


def test_flows_end_at_the_image_and_the_position(fit):
    table = term_table(fit.model)
    ends = table[table["source"].str.startswith(("input/", "center/"))]
    assert ends["flow"].sum() == pytest.approx(1)
    assert table[table["layer"] == table["layer"].max()]["flow"].sum() == pytest.approx(1)
    assert table.groupby(["layer", "map"])["share"].sum().to_numpy() == pytest.approx(1)

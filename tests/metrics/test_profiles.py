"""The profiles give the engines' values in edge cases, or the values stated in decision 0005."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.functional.metrics.test_fixtures import EDGE_CASES, OUTSIDE, assert_equal, edge_case

from explainsal.metrics import PROFILES, SaliencyMetrics

TUEBINGEN = {
    "sim": "SIM",
    "cc": "CC",
    "kld": "KLD_MIT",
    "nss": "NSS_all",
    "auc": "AUC_uniform_all",
    "ig": "IG_baseline_min0_all",
}
MIT = {"sim": "SIM", "cc": "CC", "kld": "KLD", "nss": "NSS", "ig": "IG"}
CONSTANT = {"constant_0.5", "constant_0.1", "zero", "both_constant"}
CONSTANT_TARGET = {"gt_constant", "gt_zero", "both_constant"}

# (profile, case, metric) -> ours
EXCEPTIONS = {
    ("tuebingen", "constant_0.1", "nss"): 0.0,
    **{("tuebingen", "gt_zero", metric): np.nan for metric in ("sim", "kld")},
    ("mit2016", "uint8", "ig"): 0.08740334156888618,
    ("mit2016", "constant_0.1", "cc"): np.nan,
    ("mit2016", "constant_0.1", "nss"): np.nan,
    **{("mit2016", case, "kld"): np.nan for case in CONSTANT | CONSTANT_TARGET},
    ("mit2016", "zero", "sim"): np.nan,
    ("mit2016", "gt_zero", "sim"): np.nan,
}
INDEX = torch.tensor([0])
CASES = {data["name"]: data for data in EDGE_CASES["cases"] if data["name"] not in OUTSIDE}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("profile", "engine", "calls"), [("tuebingen", "pysaliency", TUEBINGEN), ("mit2016", "octave", MIT)]
)
def test_edge_case(profile: str, engine: str, calls: dict[str, str], name: str) -> None:
    if not CASES[name][engine]:
        pytest.skip("this engine has no values where a coordinate is fractional")
    case = edge_case(CASES[name])
    metrics = SaliencyMetrics(profile, list(calls), center_bias=lambda size, index: case.baseline[0])
    metrics.update(case.pred, case.fixations, case.density, index=INDEX)
    row = metrics.per_image().iloc[0]
    for metric, call in calls.items():
        value = CASES[name][engine][call]
        value = value["rounding_artefact"] if isinstance(value, dict) else value
        assert_equal(row[metric], EXCEPTIONS.get((profile, name, metric), float(value)))


def test_every_exception_is_needed() -> None:
    for (profile, name, metric), ours in EXCEPTIONS.items():
        engine, calls = ("pysaliency", TUEBINGEN) if profile == "tuebingen" else ("octave", MIT)
        value = CASES[name][engine][calls[metric]]
        value = value["rounding_artefact"] if isinstance(value, dict) else value
        assert not np.isclose(float(value), ours, equal_nan=True), (profile, name, metric)


@pytest.mark.parametrize("name", sorted(CONSTANT))
def test_judd_of_a_constant_is_one_half_or_nan(name: str) -> None:
    case = edge_case(CASES[name])
    for profile, expected in (("tuebingen", 0.5), ("salicon", 0.5), ("mit2016", np.nan)):
        metrics = SaliencyMetrics(profile, ["auc_judd"])
        metrics.update(case.pred, case.fixations, index=INDEX)
        np.testing.assert_equal(metrics.per_image()["auc_judd"][0], expected)


def test_names() -> None:
    assert list(PROFILES) == ["tuebingen", "mit2016", "salicon"]
    assert all(profile.name == name for name, profile in PROFILES.items())

"""Every value of ../shared/fixtures/metrics, or the documented reason why ours differs (decision 0005)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.functional.metrics.calls import CALLS, Case

from explainsal.types import FixationBatch, FixationMap

EDGE_CASES = json.loads((Path(__file__).parents[2] / "data" / "edge_cases.json").read_text())
SIZE = tuple(EDGE_CASES["shape"])
OUTSIDE = ("negative_index", "row_too_large", "fractional_negative")
pytestmark = pytest.mark.usefixtures("kernels")

# (case, call without _all/_unique) -> our value, where it is not the engine's. The reasons: docs/decisions/0005.
EXCEPTIONS: dict[tuple[str, str], float] = {
    ("no_fixations", "pysaliency/AUC_given_nonfixations"): np.nan,
    ("all_pixels_fixated", "pysaliency/AUC_Judd_nojitter"): np.nan,
    ("all_pixels_fixated", "pysaliency/AUC_Judd_jitter"): np.nan,
    ("all_pixels_fixated", "pysaliency/AUC_unfixated"): np.nan,
    ("constant_0.1", "octave/CC"): np.nan,
    ("constant_0.1", "octave/NSS"): np.nan,
    ("constant_0.1", "pysaliency/NSS"): 0.0,
    ("uint8", "octave/IG"): 0.08740334156888618,  # uint8_as_double
    ("uint8", "octave/AUC_Judd_nojitter"): 0.5570652173913043,
    ("uint8", "octave/AUC_Judd_jitter"): 0.5604619565217391,
    ("uint8", "octave/AUC_shuffled_nonfix_step0.1"): 0.5390625,
}


def assert_equal(actual: float, expected: float, rtol: float = 1e-12, atol: float = 1e-12) -> None:
    if np.isfinite(expected):
        assert abs(actual - expected) <= atol + rtol * abs(expected)
    else:
        np.testing.assert_equal(actual, expected)


def points(columns: list[float], rows: list[float]) -> FixationBatch:
    xy = torch.tensor([columns, rows], dtype=torch.float64).T if columns else torch.zeros(0, 2)
    return FixationBatch.from_points([xy])


def edge_case(data: dict) -> Case:
    def maps(key: str) -> torch.Tensor:
        return torch.tensor(data[key], dtype=torch.float64)[None]

    return Case(
        pred=maps("pred").to(getattr(torch, data["pred_dtype"])),
        gt_map=maps("gt_map"),
        baseline=maps("baseline_map"),
        fixations=points(data["fix_col"], data["fix_row"]),
        equal=FixationMap.from_fixations(points(data["nonfix_col"], data["nonfix_row"]), SIZE),
    )


EDGE_VALUES = [
    pytest.param(data, f"{engine}/{call}", value, id=f"{data['name']}-{engine}-{call}")
    for data in EDGE_CASES["cases"]
    for engine in ("octave", "pysaliency")
    for call, value in data[engine].items()
]


@pytest.mark.parametrize(("data", "call", "value"), EDGE_VALUES)
def test_edge_case(data: dict, call: str, value: object) -> None:
    case = edge_case(data)
    looks_at_fixations = call.split("/")[1].split("_")[0] in ("NSS", "AUC", "IG", "sAUC")
    if data["name"] in OUTSIDE and looks_at_fixations:
        with pytest.raises(ValueError, match="lie outside the image"):
            CALLS[call](case)
        return
    actual = CALLS[call](case).item()
    key = (data["name"], call.removesuffix("_all").removesuffix("_unique"))
    if key in EXCEPTIONS:
        assert_equal(actual, EXCEPTIONS[key])
    elif isinstance(value, dict) and "sd" in value:
        assert_mean(actual, float(value["mean"]), float(value["sd"]), value["runs"])
    elif isinstance(value, dict):
        assert_equal(actual, float(value["rounding_artefact"]))  # only CC of pysaliency: 0.0, which is right
    else:
        assert_equal(actual, float(value))


def assert_mean(actual: float, mean: float, sd: float, runs: int) -> None:
    """`actual` is the expectation of what was averaged over runs: within 4 standard errors."""
    if np.isnan(mean):
        assert np.isnan(actual)
    else:
        assert abs(actual - mean) <= 4 * sd / np.sqrt(runs) + 1e-12


def test_every_exception_is_needed() -> None:
    values = {(p.values[0]["name"], p.values[1].removesuffix("_all").removesuffix("_unique")): p for p in EDGE_VALUES}
    for key, ours in EXCEPTIONS.items():
        value = values[key].values[2]
        value = value.get("mean", value.get("rounding_artefact")) if isinstance(value, dict) else value
        assert str(value).startswith("error") or not np.isclose(float(value), ours, equal_nan=True), key


@pytest.fixture(scope="module")
def reference(shared: Path) -> tuple[dict, list[dict[str, Case]]]:
    inputs = np.load(shared / "fixtures" / "metrics" / "inputs.npz")
    values = json.loads((shared / "fixtures" / "metrics" / "reference.json").read_text())
    return values, [real_cases(inputs, image) for image in range(6)]


def real_cases(inputs: dict, image: int) -> dict[str, Case]:
    size = (240, 320)

    def counts(rows: np.ndarray, columns: np.ndarray) -> FixationMap:
        return FixationMap.from_fixations(points(columns.tolist(), rows.tolist()), size)

    own, here = inputs["fix_image"] == image, inputs["unique_image"] == image
    rows = np.concatenate([inputs["fix_row"][~own], inputs["pool_row"]])
    columns = np.concatenate([inputs["fix_col"][~own], inputs["pool_col"]])
    equal = inputs["sauc_equal_pixel"][here]
    common = {
        "gt_map": torch.from_numpy(inputs["gt_map"][image][None]),
        "baseline": torch.from_numpy(inputs["baseline_map"][None]),
        "fixations": points(inputs["fix_col"][own].tolist(), inputs["fix_row"][own].tolist()),
        "others": counts(rows, columns),
        "equal": counts(equal // 320, equal % 320),
        "shuffled_draws": torch.from_numpy(inputs["sauc_splits_pixel"][here]).long()[None],
        "borji_draws": torch.from_numpy(inputs["borji_splits_pixel"][here]).long()[None],
    }
    preds = {name: inputs[f"pred_{name}"] for name in ("center", "contrast", "mouse", "random", "constant")}
    return {
        name: Case(pred=torch.from_numpy((p if p.ndim == 2 else p[image])[None]), **common) for name, p in preds.items()
    }


@pytest.mark.parametrize("call", [c for c in CALLS if "nonfix_step" not in c])
def test_real_image(reference: tuple[dict, list[dict[str, Case]]], call: str) -> None:
    values, cases = reference
    for pred, expected in values["values"][call].items():
        for image, value in enumerate(expected):
            actual = CALLS[call](cases[image][pred]).item()
            if call not in values["sd"]:
                assert_equal(actual, float(value))
                continue
            sd, runs = float(values["sd"][call][pred][image]), values["calls"][call]["runs"]
            if call == "octave/AUC_Judd_jitter":  # ours is the expectation
                assert_mean(actual, float(value), sd, runs)
            else:  # one draw of ours against the mean of theirs
                assert np.isnan(float(value)) == np.isnan(actual)
                assert np.isnan(actual) or abs(actual - float(value)) <= 4 * sd * np.sqrt(1 + 1 / runs) + 1e-12


def test_mit_shuffled_auc_draws_like_the_original(reference: tuple[dict, list[dict[str, Case]]], shared: Path) -> None:
    """Random draws of ours from the very 10 images that the reference drew from."""
    from explainsal.functional.metrics import sampled_shuffled_auc

    values, cases = reference
    inputs = np.load(shared / "fixtures" / "metrics" / "inputs.npz")
    call = "octave/AUC_shuffled_default"
    for image in range(6):
        chosen = np.isin(inputs["pool_image"], inputs["sauc_other_images"][image])
        rows, columns = inputs["pool_row"][chosen], inputs["pool_col"][chosen]
        union = FixationMap.from_fixations(points(columns.tolist(), rows.tolist()), (240, 320))
        union = FixationMap((union.counts > 0).long())
        for pred, case in cases[image].items():
            actual = sampled_shuffled_auc(case.pred, case.fixations, union, seed=image).item()
            mean, sd = float(values["values"][call][pred][image]), float(values["sd"][call][pred][image])
            assert np.isnan(mean) == np.isnan(actual)
            assert np.isnan(mean) or abs(actual - mean) <= 4 * sd * np.sqrt(1 + 1 / 20)


def test_every_reference_call_is_compared(shared: Path) -> None:
    values = json.loads((shared / "fixtures" / "metrics" / "reference.json").read_text())
    assert set(values["calls"]) - set(CALLS) == {"octave/AUC_shuffled_default"}  # the test above

"""What experiments/standalone/unisal and its card state is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "experiments" / "standalone" / "unisal"
MODEL = "standalone_unisal"


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(HERE / "table.csv").set_index(["set", "model", "metric"])


@pytest.fixture(scope="module")
def differences():
    return pd.read_csv(HERE / "differences.csv").set_index(["set", "other", "metric"])


@pytest.mark.parametrize("name", ["osie", "mit1003"])
def test_the_table_holds_the_means_of_the_scores(table, name):
    for model, part in pd.read_csv(HERE / "scores" / f"{name}.csv").groupby("model"):
        assert len(part) == 100
        for metric in ("sim", "cc", "nss", "kld", "auc", "sauc", "cc_to_deep"):
            assert table.loc[(name, model, metric), "mean"] == pytest.approx(part[metric].mean(), abs=6e-5)


def test_pages_and_card_repeat_the_table(table):
    said = [HERE / "README.md", ROOT / "docs/results.md", ROOT / "README.md"]
    texts = [
        *(" ".join(path.read_text().split()) for path in said),
        json.loads((HERE / "card.json").read_text())["scores"],
    ]
    for name in ("osie", "mit1003"):
        mean, low, high = table.loc[(name, MODEL, "cc"), ["mean", "low", "high"]]
        assert all(f"{mean:.3f} [{low:.3f}, {high:.3f}]" in text for text in texts)


def test_the_claims_on_paired_differences_hold(differences):
    classical = (
        "gbvs",
        "icl",
        "signature",
        "rare_style",
        "itti",
        "sim_grouping",
        "hft",
        "spectral_residual",
        "sim2011",
    )
    for metric in ("sim", "cc", "nss", "auc"):
        assert all(differences.loc[("osie", other, metric), "low"] > 0 for other in classical)
        assert all(
            differences.loc[("mit1003", other, metric), "low"] > 0 for other in ("gbvs", "icl", "standalone_cmrnet")
        )
    before = differences.loc[("mit1003", "standalone_cmrnet", "cc")]
    said = f"gains {before['gain']:.3f} [{before['low']:.3f}, {before['high']:.3f}]".replace("0.", ".")
    assert said in (HERE / "README.md").read_text()
    assert differences.loc[("osie", "rare_style", "sauc"), "high"] < 0

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


CLASSICAL = (
    "gbvs", "icl", "signature", "rare_style", "itti", "sim_grouping", "hft", "spectral_residual", "sim2011",
)  # fmt: skip


@pytest.mark.parametrize("name", ["osie", "mit1003"])
@pytest.mark.parametrize("metric", ["sim", "cc", "nss", "auc", "sauc"])
def test_it_is_better_than_every_classical_model(differences, name, metric):
    assert all(differences.loc[(name, other, metric), "low"] > 0 for other in CLASSICAL)


@pytest.mark.parametrize("name", ["osie", "mit1003"])
@pytest.mark.parametrize("metric", ["cc", "nss", "auc", "sauc"])
def test_it_is_better_than_the_one_packaged_before(differences, name, metric):
    assert differences.loc[(name, "standalone_joined", metric), "low"] > 0


def test_the_goals_are_met(table):
    assert table.loc[("osie", MODEL, "cc"), "mean"] > 0.66
    assert table.loc[("mit1003", MODEL, "cc"), "mean"] > 0.52


def test_the_page_repeats_the_curve():
    curve = pd.read_csv(HERE / "curve.csv")
    text = (HERE / "README.md").read_text()
    for row in curve.itertuples():
        assert f"| {row.epoch} | {row.terms:,} | {row.loss:.3f} | {row.osie:.3f} | {row.mit1003:.3f} |" in text

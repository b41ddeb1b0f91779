"""What experiments/standalone and the page of results say of the standalone model is what was measured."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "experiments" / "standalone"
RESULTS = HERE / "results"


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("compare", HERE / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scores():
    return pd.concat([pd.read_csv(path) for path in sorted((RESULTS / "scores").glob("*.csv"))])


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(RESULTS / "table.csv").set_index(["model", "metric"])


def test_the_tables_are_those_of_the_scores(scores, table):
    """Means and differences anew; the intervals are bootstrap's, of these."""
    plain = scores.groupby("model")[["sim", "cc", "nss", "auc", "sauc", "cc_to_deep"]].mean().stack().dropna()
    assert len(plain) == table["mean"].notna().sum()
    assert table.loc[plain.index, "mean"].to_numpy() == pytest.approx(plain.to_numpy(), abs=6e-5)
    assert ((table["low"] <= table["mean"]) & (table["mean"] <= table["high"])).equals(table["mean"].notna())
    gains = pd.read_csv(RESULTS / "differences.csv").dropna()
    wide = scores.pivot(index="id", columns="model")
    for row in gains.itertuples():
        difference = (wide[row.metric][row.model] - wide[row.metric][row.other]).dropna()
        assert (row.gain, row.images) == (pytest.approx(difference.mean(), abs=6e-5), len(difference))
        assert row.low <= row.gain <= row.high


def test_the_page_shows_the_tables_as_compare_writes_them(compare):
    page, times = (HERE / "README.md").read_text(), pd.read_csv(RESULTS / "times.csv").set_index("model")
    tables = (pd.read_csv(RESULTS / name) for name in ("table.csv", "differences.csv"))
    assert compare.filled(page, *tables, times["cpu_seconds"]) == page


def test_a_fixed_graph_takes_less_cpu_time_than_the_slowest_classical_model(compare):
    times = pd.read_csv(RESULTS / "times.csv").set_index("model")["cpu_seconds"]
    mine, slowest = times["standalone"], times[list(compare.CLASSICAL)].max()
    assert mine < slowest
    said = f"| {int(slowest / mine)} times | {mine:.2f} s of CPU time against {slowest:.1f} s |"
    assert said in (HERE / "README.md").read_text()


def test_numbers_in_the_text_are_those_of_the_table(table):
    """The claim and the goals of the page, and the paragraph of the page of results."""
    page, results = (" ".join(path.read_text().split()) for path in (HERE / "README.md", ROOT / "docs/results.md"))

    def short(model, metric):
        mean, low, high = table.loc[(model, metric), ["mean", "low", "high"]]
        return [f"{value:.3f}" for value in (mean, low, high)]

    (mine, low, high), (deep, deep_low, deep_high) = short("standalone", "cc"), short("standalone", "cc_to_deep")
    decentered, network, gbvs = (short(model, "cc")[0] for model in ("decentered_0.7", "deep", "gbvs"))
    bare = mine.lstrip("0"), deep.lstrip("0")
    assert f"`standalone` reaches CC {bare[0]} to the fixations of held-out images and CC {bare[1]} to the" in page
    assert f"| {mine} [{low}, {high}] | `standalone` |" in page
    assert f"| {deep} [{deep_low}, {deep_high}] | `standalone` |" in page
    assert f"| yes, paired, one graph, at CC {decentered} | `decentered_0.7` |" in page
    for text in (f"reaches {mine} [{low}, {high}]", f"reaches CC {network}", f"GBVS, {gbvs}", f"(CC {decentered})"):
        assert text in results

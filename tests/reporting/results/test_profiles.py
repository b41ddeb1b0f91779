"""Rankings by several metric profiles, against SciPy's ranks and Kendall's tau."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, rankdata

from explainsal.reporting.figures.profiles import profiles_figure
from explainsal.reporting.results.profiles import agreement_table, agreement_text, rank_table, summarize_profiles

PROFILES, MODELS, METRICS = ("tuebingen", "mit2016", "salicon"), ("deep", "itti", "gbvs", "chance"), ("cc", "kld")


@pytest.fixture
def profiles():
    rng = np.random.default_rng(3)
    rows = [
        (p, m, metric, rng.integers(0, 5) / 5, 0.0, 1.0, 100)
        for p, m, metric in itertools.product(PROFILES, MODELS, METRICS)
    ]
    return pd.DataFrame(rows, columns=["profile", "model", "metric", "mean", "low", "high", "images"])


def test_ranks_are_scipys(profiles):
    ranks = rank_table(profiles)
    for metric, sign in (("cc", -1), ("kld", 1)):
        for profile in PROFILES:
            rows = profiles[(profiles["profile"] == profile) & (profiles["metric"] == metric)].set_index("model")
            expected = rankdata(sign * rows["mean"].loc[list(MODELS)])
            assert ranks.loc[list(MODELS), f"{metric}/{profile}"].tolist() == expected.tolist()


def test_agreement_is_kendalls_tau(profiles):
    ranks, table = rank_table(profiles), agreement_table(profiles)
    assert len(table) == 2 * 3
    for row in table.itertuples():
        one, other = ranks[f"{row.metric}/{row.profile}"], ranks[f"{row.metric}/{row.other}"]
        assert row.kendall_tau == pytest.approx(kendalltau(one, other).statistic, nan_ok=True)
        assert (row.models, row.pairs) == (4, 6)


def test_models_scored_on_fewer_images_are_not_ranked(profiles):
    profiles.loc[profiles["model"] == "itti", "images"] = 6
    assert list(rank_table(profiles).index) == ["deep", "gbvs", "chance"]


def test_a_metric_of_one_profile_is_not_compared(profiles):
    only = profiles[(profiles["metric"] != "kld") | (profiles["profile"] == "mit2016")]
    assert set(agreement_table(only)["metric"]) == {"cc"}
    nothing = profiles[profiles["profile"] == "mit2016"]
    assert agreement_table(nothing).empty
    assert agreement_text(nothing) == ""


def test_the_sentence_counts_reversals():
    rows = [(p, m, "cc", v, v, v, 9) for p, m, v in [("a", "x", 1), ("a", "y", 0), ("b", "x", 0), ("b", "y", 1)]]
    table = pd.DataFrame(rows, columns=["profile", "model", "metric", "mean", "low", "high", "images"])
    assert "reverses 1 of 1 comparisons" in agreement_text(table)
    table.loc[table["profile"] == "b", "mean"] += [1, -1]
    assert agreement_text(table) == "All profiles rank the models in the same order by every metric."


def test_means_are_over_the_images():
    frame = pd.DataFrame({"profile": "a", "model": "deep", "index": [0, 1, 2], "cc": [0.1, 0.2, 0.6], "ig": np.nan})
    (row,) = summarize_profiles(frame, seed=0).to_dict("records")
    assert (row["metric"], row["images"]) == ("cc", 3)
    assert row["mean"] == pytest.approx(0.3)
    assert row["low"] <= row["mean"] <= row["high"]


def test_a_model_that_one_profile_leaves_undefined_shifts_no_rank(profiles):
    undefined = (profiles["model"] == "deep") & (profiles["profile"] == "mit2016") & (profiles["metric"] == "cc")
    ranks = rank_table(profiles[~undefined])
    assert ranks.loc["deep", ["cc/tuebingen", "cc/salicon"]].isna().all()
    assert ranks["cc/tuebingen"].sum() == 6  # ranks of the three others: 1 + 2 + 3, for any ties
    assert ranks["kld/tuebingen"].sum() == 10


def test_the_figure_has_a_panel_per_metric_and_its_own_lines_only(profiles):
    both = pd.concat([profiles, profiles[profiles["metric"] == "cc"].assign(metric="kcc")])
    figure = profiles_figure(both)
    assert len(figure.axes) == 3
    assert [len(axes.lines) for axes in figure.axes] == [4, 4, 4]
    assert {len(line.get_xdata()) for axes in figure.axes for line in axes.lines} == {3}
    with pytest.raises(ValueError, match=r"evaluation\.profiles"):
        profiles_figure(profiles[profiles["profile"] == "salicon"])

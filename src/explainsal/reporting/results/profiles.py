"""Influence of the metric profile on the ranking of models: the same maps, scored under several conventions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from explainsal.metrics.bootstrap import mean_interval
from explainsal.reporting.results.files import KEYS
from explainsal.reporting.results.titles import higher_is_better, metric_order, metric_title
from explainsal.reporting.run_folder import PROFILE_COLUMNS


def summarize_profiles(per_image: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Compute means over the images with bootstrap intervals.

    Args:
        per_image: A row per profile, model and image: profile, model, index, then the metrics.

    Returns:
        Columns `PROFILE_COLUMNS`, a row per profile, model and defined metric.
    """
    rows = []
    for (profile, model), table in per_image.groupby(["profile", "model"], sort=False):
        for metric in table.columns.difference(["profile", *KEYS], sort=False):
            interval = mean_interval(table[metric].to_numpy(), seed=seed)
            if interval.images:
                rows.append((profile, model, metric, interval.mean, interval.low, interval.high, len(table)))
    return pd.DataFrame(rows, columns=list(PROFILE_COLUMNS))


def rank_table(profiles: pd.DataFrame) -> pd.DataFrame:
    """Rank all models by each metric in each profile: 1 is the best, ties have their mean rank.

    Only models that were scored on all images are ranked, and only by metrics that several profiles have. A model
    for which a metric is undefined in one of the profiles (a constant map in ``mit2016``) has no rank in this metric,
    because it would shift the ranks of the others.

    Returns:
        Index: model; columns ``<metric>/<profile>``.

    Example:
        >>> means = {("a", "deep"): 0.6, ("a", "itti"): 0.4, ("b", "deep"): 0.3, ("b", "itti"): 0.4}
        >>> rows = [(*key, "cc", mean, 5) for key, mean in means.items()]
        >>> profiles = pd.DataFrame(rows, columns=["profile", "model", "metric", "mean", "images"])
        >>> rank_table(profiles).loc["deep"].to_dict()
        {'cc/a': 1.0, 'cc/b': 2.0}
    """
    whole = profiles[profiles["images"] == profiles["images"].max()]
    columns: dict[str, pd.Series] = {}
    for metric in compared_metrics(whole):
        means = whole[whole["metric"] == metric].pivot(index="model", columns="profile", values="mean").dropna()
        # equal values can differ in their last digits
        ranks = means.round(9).rank(ascending=not higher_is_better(metric))
        columns |= {
            f"{metric}/{profile}": ranks[profile] for profile in dict.fromkeys(whole["profile"]) if profile in ranks
        }
    models = list(dict.fromkeys(whole["model"]))
    return pd.DataFrame(columns).reindex(pd.Index(models, name="model"))


def compared_metrics(profiles: pd.DataFrame) -> list[str]:
    """Return the metrics of more than one profile, in the order of tables."""
    counts = profiles.groupby("metric")["profile"].nunique()
    return sorted(counts.index[counts > 1], key=metric_order)


def agreement_table(profiles: pd.DataFrame) -> pd.DataFrame:
    """Compare the rankings of every two profiles, metric by metric.

    Returns:
        A row per metric and pair of profiles: metric, profile, other, models (ranked by both), pairs (number of pairs),
        swapped (pairs in opposite order), kendall_tau (tau-b; NaN if a profile ranks all models equal).
    """
    ranks = rank_table(profiles)
    rows = []
    for metric in compared_metrics(profiles[profiles["images"] == profiles["images"].max()]):
        names = [name for name in map(str, ranks) if name.startswith(f"{metric}/")]
        for one, other in combinations(names, 2):
            both = ranks[[one, other]].dropna()
            counts = _pairs(both[one].tolist(), both[other].tolist())
            rows.append((metric, one.partition("/")[2], other.partition("/")[2], len(both), *counts))
    return pd.DataFrame(rows, columns=["metric", "profile", "other", "models", "pairs", "swapped", "kendall_tau"])


def _pairs(one: Sequence[float], other: Sequence[float]) -> tuple[int, int, float]:
    """Return the number of pairs, of pairs in opposite order, and Kendall's tau-b."""
    signs = [((a > b) - (a < b), (c > d) - (c < d)) for (a, c), (b, d) in combinations(zip(one, other, strict=True), 2)]
    swapped = sum(s * t < 0 for s, t in signs)
    alike = sum(s * t > 0 for s, t in signs)
    untied = sum(s != 0 for s, _ in signs) * sum(t != 0 for _, t in signs)
    tau = (alike - swapped) / untied**0.5 if untied else float("nan")
    return len(signs), swapped, tau


def agreement_text(profiles: pd.DataFrame) -> str:
    """Return the main result as a sentence."""
    table = agreement_table(profiles)
    if table.empty:
        return ""
    changed = table[table["swapped"] > 0]
    if changed.empty:
        return "All profiles rank the models in the same order by every metric."
    total, swapped = int(table["pairs"].sum()), int(table["swapped"].sum())
    worst = changed.sort_values("kendall_tau").iloc[0]
    return (
        f"The choice of the profile reverses {swapped} of {total} comparisons of two models; most by "
        f"{metric_title(worst['metric'])}, where {worst['profile']} and {worst['other']} disagree about "
        f"{worst['swapped']} of {worst['pairs']}."
    )

"""Displayed names of metrics and models in tables and figures, and the format of their numbers."""

from __future__ import annotations

import math

from explainsal.metrics import HIGHER_IS_BETTER

METRIC_TITLES = {
    "cc": "CC",
    "sim": "SIM",
    "nss": "NSS",
    "kld": "KLD",
    "auc": "AUC",
    "auc_judd": "AUC-Judd",
    "auc_borji": "AUC-Borji",
    "sauc": "sAUC",
    "ig": "IG",
    "ll": "Log-likelihood",
    "emd": "EMD",
    "layer_correlation": "Layer correlation",
    "weighted_layer_correlation": "Weighted layer correlation",
}
MODEL_TITLES = {
    "deep": "Deep model",
    "center_bias": "Center bias",
    "center_bias_loo": "Center bias, leave one out",
    "center_gaussian": "Center Gaussian",
    "chance": "Chance",
    "gbvs": "GBVS",
    "hft": "HFT",
    "icl": "ICL",
    "itti": "ITTI",
    "rare_style": "RARE-style",
    "signature": "Image signature",
    "sim2011": "SIM 2011",
    "sim_grouping": "SIMgrouping",
    "spectral_residual": "Spectral residual",
    "cmrnet": "CMRNet",
    "standalone": "Standalone explanation",
    "unisal": "UNISAL",
    "msinet": "MSI-Net",
    "gold_standard": "Gold standard",
    "explanation": "This explanation",
    "shuffled_filters": "Null: shuffled filters",
    "untrained_network": "Null: untrained network",
    "random_layer": "Null: random earlier layer",
}
PAPER_NETWORKS = ("cmrnet", "unisal", "msinet")
TO_DEEP = "_to_deep"


def higher_is_better(metric: str) -> bool:
    """Return whether larger values of a metric are better; True for columns that are not metrics.

    Example:
        >>> higher_is_better("cc"), higher_is_better("kld"), higher_is_better("kld_to_deep")
        (True, False, False)
    """
    return HIGHER_IS_BETTER.get(metric.removesuffix(TO_DEEP), True)


def against_deep(metric: str) -> bool:
    """Return whether a metric compares with the deep network rather than with fixations."""
    return metric.endswith((TO_DEEP, "layer_correlation"))


def metric_order(metric: str) -> tuple[bool, int]:
    """Return a metric's sort key: metrics against the ground truth first, then known metrics in table order."""
    base = metric.removesuffix(TO_DEEP)
    known = list(METRIC_TITLES)
    return against_deep(metric), known.index(base) if base in known else len(known)


def metric_title(metric: str) -> str:
    """Return the displayed name of a metric, with an arrow if lower is better.

    Example:
        >>> metric_title("sauc"), metric_title("kld"), metric_title("cc_to_deep")
        ('sAUC', 'KLD ↓', 'CC to deep')
    """
    base = metric.removesuffix(TO_DEEP)
    title = METRIC_TITLES.get(base, base) + (" to deep" if metric.endswith(TO_DEEP) else "")
    return title if higher_is_better(metric) else f"{title} ↓"


def model_title(model: str) -> str:
    """Return the displayed name of a model.

    Example:
        >>> model_title("explainable/sparse"), model_title("center_bias"), model_title("explainable_msinet")
        ('Explainable, sparse', 'Center bias', 'Explainable MSI-Net')
        >>> model_title("shuffled_filters_cmrnet"), model_title("a_tool_of_mine")
        ('CMRNet: shuffled filters', 'a_tool_of_mine')
    """
    kind, _, preset = model.partition("/")
    if preset:
        return f"{kind.capitalize()}, {preset}"
    what, _, network = model.rpartition("_")  # a row of the paper's tables
    if network in PAPER_NETWORKS and (what == "explainable" or MODEL_TITLES.get(what, "").startswith("Null: ")):
        title = MODEL_TITLES[network]
        return f"Explainable {title}" if what == "explainable" else f"{title}: {what.replace('_', ' ')}"
    return MODEL_TITLES.get(model, model)


def number(value: float) -> str:
    """Format a number with three decimals, a true minus sign but not before 0, and a dash for NaN.

    Example:
        >>> number(-0.25), number(-0.0001), number(float("nan"))
        ('−0.250', '0.000', '–')
    """
    return "–" if math.isnan(value) else f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def protocol_text(value: object) -> str:
    """Return a protocol's value as text; empty if unknown.

    Example:
        >>> protocol_text(19.0), protocol_text(float("nan")), protocol_text("test")
        ('19', '', 'test')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def is_number(text: str | None) -> bool:
    """Return whether a text is a number, and may be followed by a unit."""
    try:
        float(text or "")
    except ValueError:
        return False
    return True

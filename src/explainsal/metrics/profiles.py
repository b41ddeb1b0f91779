"""Named conventions: the metrics that a published protocol reports, and the options of their functions.

docs/decisions/0005-metric-profiles.md describes the conventions, their sources and how much they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

MATLAB_EPS = 2.0**-52

METRICS = ("sim", "cc", "nss", "kld", "auc", "auc_judd", "sauc", "ig", "auc_borji", "ll", "emd")
"""Column names of all metrics, in the order of tables."""

Pool = Literal["others", "others_off_own_pixels", "random_images"]


@dataclass(frozen=True)
class Profile:
    """Conventions of one protocol.

    Args:
        name: Name of the profile; printed with every number.
        metrics: Metrics that the protocol reports, from `METRICS`.
        pool: Non-fixations of the shuffled AUC: all fixations of all other images (``others``); the same without the
            pixels fixated in the image itself (``others_off_own_pixels``); or the pixels fixated in a few random other
            images (``random_images``).
        sampled_sauc: Whether the shuffled AUC is `sampled_shuffled_auc` (fixed thresholds) or the exact `shuffled_auc`.
        options: Metric -> keyword arguments of its function.
        random_images: Number of other images for the pool ``random_images``.
    """

    name: str
    metrics: tuple[str, ...]
    pool: Pool = "others"
    sampled_sauc: bool = False
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    random_images: int = 10

    def of(self, metric: str) -> Mapping[str, Any]:
        """Return the keyword arguments for the function of a metric."""
        return self.options.get(metric, {})

    def with_options(self, changes: Mapping[str, Mapping[str, Any]]) -> Profile:
        """Return this profile with changed options.

        The new name lists the changes, because the numbers are no longer those of the profile.

        Example:
            >>> get_profile("tuebingen").with_options({"ig": {"offset": 1e-20}}).name
            'tuebingen, ig.offset=1e-20'
        """
        unknown = sorted(set(changes) - set(METRICS))
        if unknown:
            raise ValueError(f"unknown metrics {unknown}; known are {', '.join(METRICS)}")
        options = {m: {**self.of(m), **changes.get(m, {})} for m in METRICS}
        changed = [f"{m}.{key}={value}" for m in METRICS for key, value in changes.get(m, {}).items()]
        return replace(self, options=options, name=", ".join([self.name, *changed]))


_MIT_CONSTANT = {"nan_for_constant": True}
_TUEBINGEN = Profile("tuebingen", ("sim", "cc", "nss", "kld", "auc", "auc_judd", "sauc", "ig"))

PROFILES = {
    profile.name: profile
    for profile in (
        _TUEBINGEN,
        Profile(
            "mit2016",
            ("sim", "cc", "nss", "kld", "auc_judd", "sauc", "ig", "auc_borji"),
            pool="random_images",
            sampled_sauc=True,
            options={
                "sim": {"normalization": "minmax", **_MIT_CONSTANT},
                "cc": _MIT_CONSTANT,
                "nss": {"unique": True, "ddof": 1, **_MIT_CONSTANT},
                "kld": {"normalization": "raw", "eps": MATLAB_EPS, **_MIT_CONSTANT},
                "auc": {"unique": True, **_MIT_CONSTANT},
                "auc_judd": _MIT_CONSTANT,
                "sauc": {"splits": 100, "step": 0.1, "unique": True, **_MIT_CONSTANT},
                "ig": {"normalization": "minmax", "eps": MATLAB_EPS, "unique": True, **_MIT_CONSTANT},
                "auc_borji": {"splits": 100, "step": 0.1},
                "ll": {"unique": True, "normalization": "minmax"},
                "emd": {"normalization": "minmax", **_MIT_CONSTANT},
            },
        ),
        replace(
            _TUEBINGEN,
            name="salicon",
            pool="others_off_own_pixels",
            sampled_sauc=True,
            options={
                "sauc": {
                    "splits": None,
                    "step": 0.01,
                    "unique": False,
                    "drop_maximum": True,
                    "nan_for_constant": False,
                }
            },
        ),
    )
}


def get_profile(profile: str | Profile) -> Profile:
    """Return a profile by its name, or a `Profile` unchanged.

    Raises:
        ValueError: If no profile has that name.
    """
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f"no metric profile {profile!r}; there are {', '.join(PROFILES)}")
    return PROFILES[profile]

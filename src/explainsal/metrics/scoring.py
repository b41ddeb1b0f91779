"""All metrics of a batch under one profile; maps are checked, normalized and ranked only once."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from explainsal.functional import metrics as functional
from explainsal.functional.metrics import Maps, Nonfixations, Points
from explainsal.metrics.emd import emd
from explainsal.metrics.profiles import Profile
from explainsal.types import DensityMap, FixationBatch

CenterBiasMap = Callable[[tuple[int, int], Tensor], Tensor]
"""Baseline of `information_gain`: a function from the height and width and from positions in the data set ``(B,)``
(-1 if unknown) to densities ``(H, W)`` or ``(B, H, W)`` of any scale."""

ONE_PASS = ("sim", "cc", "kld")  # metrics against a density that are computed together, in one pass
AGAINST_DENSITY = (*ONE_PASS, "emd")


def score(
    preds: Tensor,
    fixations: FixationBatch | None,
    density: DensityMap | None,
    *,
    profile: Profile,
    names: Collection[str],
    index: Tensor | None,
    first: int = 0,
    nonfixations: Nonfixations | None = None,
    center_bias: CenterBiasMap | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Score a batch of maps.

    Args:
        preds: Shape ``(B, H, W)``, at the size of the displayed images.
        fixations: Points. None: the metrics that need them are NaN.
        density: Fixation densities. None: the metrics that need them are NaN.
        names: Metrics to compute, from `profiles.METRICS`.
        index: Shape ``(B,)``, int64, the images' positions in the data set (and in the pool of non-fixations). None:
            the positions are unknown.
        first: Number of earlier images; seeds the random negatives if positions are unknown.
        nonfixations: Pool for ``sauc``.
        center_bias: Baseline for ``ig``.

    Returns:
        Metric -> shape ``(B,)``, float64, on the device of `preds`. The metrics at fixations are NaN for images without
        fixations; the metrics against a density are NaN for images whose density is 0 everywhere.
    """
    maps = Maps(preds)
    for given, kind in ((fixations, FixationBatch), (density, DensityMap)):
        if given is not None and not isinstance(given, kind):
            raise TypeError(f"ground truth must be a {kind.__name__}, got {type(given).__name__}")
    points = None if fixations is None else Points.of(fixations.to(preds.device), maps.size)
    target = None if density is None else Maps.of(density.to(preds.device), "density")
    positions = _Positions(index, first, len(preds), preds.device)
    together = {name: profile.of(name) for name in names if name in ONE_PASS}
    compared = functional.against_density(maps, target, together) if target is not None and together else {}
    scores: dict[str, Tensor] = {}
    for name in names:
        if name in AGAINST_DENSITY and target is not None:
            value = compared[name] if name in compared else emd(maps, target, **profile.of(name))
            value = torch.where(target.empty, torch.nan, value)
        elif name not in AGAINST_DENSITY and points is not None:
            value = _at_fixations(name, maps, points, profile, positions, nonfixations, center_bias, seed)
        else:
            value = torch.full_like(maps.low, torch.nan)
        scores[name] = value
    return scores


class _Positions:
    """Positions of a batch's images in the data set, if they are known."""

    def __init__(self, index: Tensor | None, first: int, count: int, device: torch.device) -> None:
        self._index = None if index is None else index.to(device)
        self._first, self._count, self._device = first, count, device

    def known(self, metric: str) -> Tensor:
        """Return the positions for a metric that requires them; raise ValueError if they are unknown."""
        if self._index is None:
            raise ValueError(
                f"{metric} leaves each image's own fixations out of a pool: give index=..., their positions"
            )
        return self._index

    @property
    def for_baseline(self) -> Tensor:
        """Positions, or -1 if they are unknown."""
        return torch.full((self._count,), -1, device=self._device) if self._index is None else self._index

    @property
    def for_draws(self) -> Tensor:
        """Positions, or running numbers if they are unknown."""
        return self._first + torch.arange(self._count, device=self._device) if self._index is None else self._index


def _at_fixations(
    name: str,
    maps: Maps,
    points: Points,
    profile: Profile,
    positions: _Positions,
    nonfixations: Nonfixations | None,
    center_bias: CenterBiasMap | None,
    seed: int,
) -> Tensor:
    options = profile.of(name)
    if name == "sauc":
        if nonfixations is None:
            raise ValueError("sauc needs nonfixations=Nonfixations(points, sizes)")
        return shuffled(maps, points, nonfixations, profile, positions.known("sauc"), seed)
    if name == "ig":
        if center_bias is None:
            raise ValueError("ig needs center_bias, a function from (H, W) and positions in the data set to densities")
        baseline = center_bias(maps.size, positions.for_baseline).to(maps.values.device)
        return functional.information_gain(maps, points, baseline.reshape(-1, *maps.size), **options)
    if name == "auc_borji":
        return functional.auc_borji(maps, points, seed=seed, index=positions.for_draws, **options)
    functions: dict[str, Callable[..., Tensor]] = {
        "nss": functional.nss,
        "auc": functional.auc,
        "auc_judd": functional.auc_judd,
        "ll": functional.log_likelihood,
    }
    return functions[name](maps, points, **options)


def shuffled(
    maps: Maps, points: Points, nonfixations: Nonfixations, profile: Profile, index: Tensor, seed: int
) -> Tensor:
    """Return the profile's shuffled AUC, shape ``(B,)``."""
    if profile.pool == "random_images":
        pool = nonfixations.of_random_images(index, maps.size, images=profile.random_images, seed=seed)
    else:
        pool = nonfixations.others(index, maps.size, drop_own_pixels=profile.pool == "others_off_own_pixels")
    if profile.sampled_sauc:
        return functional.sampled_shuffled_auc(maps, points, pool, seed=seed, index=index, **profile.of("sauc"))
    return functional.shuffled_auc(maps, points, pool, **profile.of("sauc"))

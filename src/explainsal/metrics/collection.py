"""All metrics of an evaluation in one torchmetrics Metric; the metrics share intermediate results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from explainsal.functional.metrics import Nonfixations
from explainsal.metrics.per_image import PerImageTable
from explainsal.metrics.profiles import METRICS, Profile, get_profile
from explainsal.metrics.scoring import CenterBiasMap, score
from explainsal.metrics.targets import as_density, as_fixations, without_channel
from explainsal.types import DensityMap, FixationBatch, FixationMap


class SaliencyMetrics(PerImageTable):
    """All metrics of a profile, per image.

    Args:
        profile: Name of the conventions (``tuebingen``, ``mit2016``, ``salicon``), or a `Profile`.
        names: Metrics to compute. None: the metrics of the profile, without those whose data (see below) are missing.
        nonfixations: Fixations of the whole data set; required for ``sauc``.
        center_bias: Baseline of ``ig`` and required for it: a function from (H, W) and positions in the data set to
            densities.
        options: Options of the profile to change, metric -> keyword arguments; the profile's name then lists them.
        seed: Seed for profiles that draw random negatives.
        kwargs: Further arguments of `torchmetrics.Metric`.

    Raises:
        ValueError: If a name is unknown, or a requested metric lacks the data that it needs.

    Example:
        >>> import torch
        >>> metrics = SaliencyMetrics(names=["cc", "nss"])
        >>> fixations = FixationBatch.from_points([torch.tensor([[2.0, 0.0]])])
        >>> preds, density = torch.tensor([[[0.0, 1.0, 2.0]]]), DensityMap(torch.tensor([[[0, 1, 2]]]))
        >>> metrics.update(preds, fixations, density, index=torch.tensor([17]))
        >>> {name: round(value.item(), 3) for name, value in metrics.compute().items()}
        {'cc': 1.0, 'nss': 1.225}
        >>> metrics.per_image().round(3).to_dict("list")
        {'index': [17], 'cc': [1.0], 'nss': [1.225]}
    """

    def __init__(
        self,
        profile: str | Profile = "tuebingen",
        names: Sequence[str] | None = None,
        nonfixations: Nonfixations | None = None,
        center_bias: CenterBiasMap | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        chosen = get_profile(profile)
        needed = {"sauc": ("nonfixations", nonfixations), "ig": ("center_bias", center_bias)}
        missing = {name: argument for name, (argument, value) in needed.items() if value is None}
        if names is None:
            names = [name for name in chosen.metrics if name not in missing]
        unknown = [name for name in names if name not in METRICS]
        if unknown:
            raise ValueError(f"unknown metrics {unknown}; known are {', '.join(METRICS)}")
        for name in names:
            if name in missing:
                raise ValueError(f"{name} needs {missing[name]}=...")
        super().__init__(names, **kwargs)
        self.profile = chosen.with_options(options) if options else chosen
        self.nonfixations = nonfixations
        self.center_bias = center_bias
        self.seed = seed
        self._updated, self._before = 0, 0  # images so far; they seed the random negatives of images without an index

    def update(
        self,
        preds: Tensor,
        fixations: FixationBatch | FixationMap | Tensor | Sequence[Tensor] | None = None,
        density: DensityMap | Tensor | None = None,
        *,
        index: Tensor | None = None,
    ) -> None:
        """Score a batch and keep one row per image.

        Args:
            preds: Shape ``(B, H, W)`` or ``(B, 1, H, W)``, at the size of the ground truth.
            fixations: Points in pixels, in a form that `as_fixations` accepts. None: metrics at fixations are NaN.
            density: Fixation densities, or a tensor of the same shape as `preds`. None: metrics against a density are
                NaN.
            index: Shape ``(B,)``, int64, the images' positions in the data set. None: every image counts once. ``sauc``
                requires positions, and so does an ``ig`` whose baseline differs between images.

        Raises:
            TypeError: If a ground truth is of the wrong type.
            ValueError: If sizes differ, a value is NaN or infinite, a fixation is outside its image, or an index is
                missing.
        """
        preds = without_channel(preds)
        if index is not None and (index.ndim != 1 or len(index) != len(preds)):
            raise ValueError(f"index must have shape ({len(preds)},), got {tuple(index.shape)}")
        points = None if fixations is None else as_fixations(fixations)
        target = None if density is None else as_density(density)
        self.append(None if index is None else index.to(preds.device), self.scores(preds, points, target, index=index))
        self._updated += len(preds)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Score a batch and return its means."""
        self._before = self._updated  # torchmetrics resets the metric temporarily
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._updated, self._before = self._before + self._updated, 0

    def reset(self) -> None:
        """Remove all images."""
        super().reset()
        self._updated = 0

    def scores(
        self,
        preds: Tensor,
        fixations: FixationBatch | None = None,
        density: DensityMap | None = None,
        *,
        index: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the values of a batch, metric -> ``(B,)``, without storing them; for the arguments see `update`."""
        return score(
            preds,
            fixations,
            density,
            profile=self.profile,
            names=self.columns,
            index=index,
            first=self._before + self._updated,
            nonfixations=self.nonfixations,
            center_bias=self.center_bias,
            seed=self.seed,
        )

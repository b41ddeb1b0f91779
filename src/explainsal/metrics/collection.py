"""Every metric of an evaluation in one torchmetrics Metric, computed together from shared pieces."""

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
        names: Which metrics. None: those of the profile that the next two arguments allow.
        nonfixations: Fixations of the whole data set, for ``sauc``; without it there is no ``sauc``.
        center_bias: Function from (H, W) and positions in the data set to densities, the baseline of ``ig``; without
            it there is no ``ig``.
        options: Single options of the profile to change, metric -> keyword arguments; its name then says so.
        seed: Of the profiles that draw random negatives.
        kwargs: Of `torchmetrics.Metric`.

    Raises:
        ValueError: If a name is unknown, or a metric was asked for without what it needs.

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
        self._updated, self._before = 0, 0  # images so far: random negatives of images without an index are drawn by it

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
            fixations: Points in pixels, in a form that `as_fixations` takes; None makes the metrics at fixations NaN.
            density: Fixation densities, as a tensor of the shape of `preds`, too; None makes the metrics against a
                density NaN.
            index: Shape ``(B,)``, int64, the images' positions in the data set. None: every image counts once;
                ``sauc``, and an ``ig`` whose baseline differs from image to image, need them.

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
        """Score a batch, and return the means over it alone."""
        self._before = self._updated  # torchmetrics resets the metric for a moment
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._updated, self._before = self._before + self._updated, 0

    def reset(self) -> None:
        """Forget all images."""
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
        """The values of a batch by metric, ``(B,)`` each, without keeping them; arguments as those of `update`."""
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

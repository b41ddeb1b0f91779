"""Every metric of an evaluation in one torchmetrics Metric, computed together from shared pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from explainsal.functional.metrics import Nonfixations
from explainsal.functional.native import native_kernels
from explainsal.functional.native_build import library
from explainsal.metrics.profiles import METRICS, Profile, get_profile
from explainsal.metrics.scoring import CenterBiasMap, score
from explainsal.metrics.table import PerImageTable
from explainsal.types import DensityMap, FixationBatch


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
        compile: Use compiled kernels for maps on a CPU, twice as fast or more: AUCs are the same numbers, the others
            the same to 1e-12. Needs a C compiler.
        kwargs: Of `torchmetrics.Metric`.

    Raises:
        ValueError: If a name is unknown, or a metric was asked for without what it needs.
        UserError: If `compile` is asked for and there is no C compiler, or it fails.

    Example:
        >>> import torch
        >>> metrics = SaliencyMetrics(names=["cc", "nss"])
        >>> fixations = FixationBatch.from_points([torch.tensor([[2.0, 0.0]])])
        >>> preds, density = torch.tensor([[[0.0, 1.0, 2.0]]]), DensityMap(torch.tensor([[[0, 1, 2]]]))
        >>> metrics.update(preds, fixations=fixations, density=density, index=torch.tensor([17]))
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
        compile: bool = False,
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
        self.native = compile  # `compile` is a method of every nn.Module
        if compile:
            library()  # now rather than in the middle of an evaluation

    def update(
        self,
        preds: Tensor,
        fixations: FixationBatch | None = None,
        density: DensityMap | None = None,
        *,
        index: Tensor,
    ) -> None:
        """Score a batch and keep one row per image.

        Args:
            preds: Shape ``(B, H, W)``, at the size of the ground truth.
            fixations: Points in pixels; None makes the metrics at fixations NaN.
            density: Fixation densities; None makes the metrics against a density NaN.
            index: Shape ``(B,)``, int64, the images' positions in the data set.

        Raises:
            TypeError: If a ground truth is of the wrong type.
            ValueError: If sizes differ, a value is NaN or infinite, or a fixation is outside its image.
        """
        if index.ndim != 1 or len(index) != len(preds):
            raise ValueError(f"index must have shape ({len(preds)},), got {tuple(index.shape)}")
        values = self.scores(preds, fixations, density, index=index)
        self.append(index.to(preds.device), values)

    def scores(
        self,
        preds: Tensor,
        fixations: FixationBatch | None = None,
        density: DensityMap | None = None,
        *,
        index: Tensor,
    ) -> dict[str, Tensor]:
        """The values of a batch by metric, ``(B,)`` each, without keeping them; arguments as those of `update`."""
        with native_kernels(self.native and preds.device.type == "cpu"):
            return score(
                preds,
                fixations,
                density,
                profile=self.profile,
                names=self.columns,
                index=index,
                nonfixations=self.nonfixations,
                center_bias=self.center_bias,
                seed=self.seed,
            )

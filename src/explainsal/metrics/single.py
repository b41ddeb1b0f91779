"""One torchmetrics Metric per metric; ``compute()`` returns the mean over images.

Each keeps the same per-image table as `SaliencyMetrics`, which computes several metrics faster. In a
`torchmetrics.MetricCollection`, pass the ground truth by name:
``MetricCollection([CC(), NSS()])(preds, density=..., fixations=...)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from explainsal.functional.metrics import Nonfixations
from explainsal.metrics.collection import SaliencyMetrics
from explainsal.metrics.profiles import Profile
from explainsal.metrics.scoring import CenterBiasMap
from explainsal.types import DensityMap, FixationBatch, FixationMap


class _Single(SaliencyMetrics):
    """Base class of single metrics: ``compute()`` returns a float64 scalar.

    Args:
        profile: Name of the conventions, or a `Profile`.
        options: Keyword arguments of the metric's function that replace those of the profile.
        kwargs: Further arguments of `SaliencyMetrics` (`nonfixations`, `center_bias`, `seed`) and
            `torchmetrics.Metric`.
    """

    column: str
    higher_is_better = True

    def __init__(
        self, profile: str | Profile = "tuebingen", options: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        changes = {self.column: options} if options else None
        super().__init__(profile, names=[self.column], options=changes, **kwargs)

    def compute(self) -> Tensor:  # type: ignore[override]
        """Return the mean over the images where the metric is defined."""
        return super().compute()[self.column]


class _AgainstDensity(_Single):
    def update(  # type: ignore[override]
        self,
        preds: Tensor,
        target: DensityMap | Tensor | None = None,
        *,
        density: DensityMap | Tensor | None = None,
        index: Tensor | None = None,
    ) -> None:
        """Score maps ``(B, H, W)`` or ``(B, 1, H, W)`` against densities.

        Args:
            target: Densities of the same shape.
            density: Alternative name of `target`, for a collection that also receives fixations.
            index: Shape ``(B,)``, positions in the data set; a repeated image counts once. None: every image counts.
        """
        super().update(preds, density=_either(target, density, "density"), index=index)


class _AtFixations(_Single):
    def update(  # type: ignore[override]
        self,
        preds: Tensor,
        target: FixationBatch | FixationMap | Tensor | Sequence[Tensor] | None = None,
        *,
        fixations: FixationBatch | FixationMap | Tensor | Sequence[Tensor] | None = None,
        index: Tensor | None = None,
    ) -> None:
        """Score maps ``(B, H, W)`` or ``(B, 1, H, W)`` at fixations.

        Args:
            target: Fixations, in a form that `as_fixations` accepts.
            fixations: Alternative name of `target`, for a collection that also receives densities.
            index: Shape ``(B,)``, positions in the data set; a repeated image counts once. None: every image counts.
        """
        super().update(preds, fixations=_either(target, fixations, "fixations"), index=index)


def _either(target: Any, named: Any, name: str) -> Any:
    if (target is None) == (named is None):
        raise TypeError(f"this metric needs its ground truth once: metric(preds, target), or {name}=...")
    return named if target is None else target


class SIM(_AgainstDensity):
    """Similarity, see `functional.metrics.sim`.

    Example:
        >>> import torch
        >>> metric = SIM()
        >>> metric(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0, 1.0]]])).item()
        0.75
    """

    column = "sim"


class CC(_AgainstDensity):
    """Correlation coefficient, see `functional.metrics.cc`."""

    column = "cc"


class KLDiv(_AgainstDensity):
    """Kullback-Leibler divergence, see `functional.metrics.kl_div`."""

    column = "kld"
    higher_is_better = False


class EMD(_AgainstDensity):
    """Earth mover's distance, see `metrics.emd.emd`. It is slow, and not part of any profile."""

    column = "emd"
    higher_is_better = False


class NSS(_AtFixations):
    """Normalized scanpath saliency, see `functional.metrics.nss`."""

    column = "nss"


class AUC(_AtFixations):
    """Exact AUC with all pixels as negatives, see `functional.metrics.auc`."""

    column = "auc"


class AUCJudd(_AtFixations):
    """AUC-Judd, see `functional.metrics.auc_judd`."""

    column = "auc_judd"


class AUCBorji(_AtFixations):
    """AUC-Borji, see `functional.metrics.auc_borji`. Only the profile ``mit2016`` includes it."""

    column = "auc_borji"


class LogLikelihood(_AtFixations):
    """Log-likelihood of the fixations under the map as a density, see `functional.metrics.log_likelihood`."""

    column = "ll"


class ShuffledAUC(_AtFixations):
    """Shuffled AUC under a profile, see `functional.metrics.shuffled_auc` and `sampled_shuffled_auc`.

    Args:
        nonfixations: Fixations of the whole data set.
        args: `profile` and `options`, as for the other metrics.
        kwargs: Further arguments of `SaliencyMetrics` (`seed`) and `torchmetrics.Metric`.
    """

    column = "sauc"

    def __init__(self, nonfixations: Nonfixations, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, nonfixations=nonfixations, **kwargs)


class InformationGain(_AtFixations):
    """Information gain over a center bias, see `functional.metrics.information_gain`.

    Args:
        center_bias: Function from (H, W) and positions in the data set to densities.
        args: `profile` and `options`, as for the other metrics.
        kwargs: Further arguments of `SaliencyMetrics` (`seed`) and `torchmetrics.Metric`.
    """

    column = "ig"

    def __init__(self, center_bias: CenterBiasMap, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, center_bias=center_bias, **kwargs)


HIGHER_IS_BETTER = {
    kind.column: kind.higher_is_better
    for kind in (SIM, CC, NSS, KLDiv, AUC, AUCJudd, ShuffledAUC, InformationGain, AUCBorji, LogLikelihood, EMD)
}
"""Direction of each metric, by column name, in the order of `profiles.METRICS`."""

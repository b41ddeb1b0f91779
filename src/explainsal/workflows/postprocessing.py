"""Post-processing of a model's maps as one module that says what it does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explainsal.classical.center_bias import CenterBias
from explainsal.functional.postprocessing import gaussian_blur, match_histogram

NONE = "none"


@dataclass(frozen=True)
class PostprocessingOptions:
    """Steps that are applied to a model's maps, in this order.

    Args:
        blur: Standard deviation of a Gaussian in pixels; None: no blur.
        center_bias: Whether to multiply by the center bias of the training split.
        histogram: Whether to give the values the mean distribution of training densities.
    """

    blur: float | None = None
    center_bias: bool = False
    histogram: bool = False


class Postprocessing(nn.Module):
    """Blur, then multiplication by a centre bias, then histogram matching: each only if it is given.

    Published numbers of classical models often include some of these; a number that does says so in its row.

    Args:
        blur: Standard deviation of the Gaussian, in pixels of the maps.
        center_bias: Its density multiplies the maps.
        quantiles: Shape ``(Q,)``, ascending: the distribution of values that maps are given, see `match_histogram`.

    Raises:
        ValueError: If `blur` is not positive.

    Example:
        >>> Postprocessing(blur=24).description, Postprocessing().description
        ('blur 24 px', 'none')
    """

    def __init__(
        self, blur: float | None = None, center_bias: CenterBias | None = None, quantiles: Tensor | None = None
    ) -> None:
        super().__init__()
        if blur is not None and not blur > 0:
            raise ValueError(f"blur is a standard deviation in pixels and must be positive, got {blur}")
        self.blur = blur
        self.center_bias = center_bias
        self.register_buffer("quantiles", quantiles)

    @property
    def description(self) -> str:
        """What stands beside every number."""
        steps = {
            f"blur {self.blur:g} px" if self.blur is not None else "": self.blur is not None,
            "× centre bias": self.center_bias is not None,
            "histogram of training densities": self.quantiles is not None,
        }
        return ", ".join(step for step, done in steps.items() if done) or NONE

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``(B, 1, H, W)``, non-negative, to the same shape."""
        if self.blur is not None:
            maps = gaussian_blur(maps, self.blur)
        if self.center_bias is not None:
            density = self.center_bias.density((int(maps.shape[-2]), int(maps.shape[-1])))
            maps = maps * (density / density.max()).to(maps)
        if isinstance(self.quantiles, Tensor):
            maps = match_histogram(maps, self.quantiles)
        return maps


def mean_quantiles(densities: list[Tensor], count: int = 1024) -> Tensor:
    """The mean distribution of values of densities ``(H, W)``, each scaled to a maximum of 1; ascending, ``(count,)``.

    Raises:
        ValueError: If there is no density.
    """
    if not densities:
        raise ValueError("histogram matching needs at least one density to take the histogram from")
    ranks = torch.linspace(0, 1, count, dtype=torch.float64)
    rows = []
    for density in densities:
        values = density.double().flatten().sort().values
        place = (ranks * (len(values) - 1)).round().long()
        rows.append(values[place] / values[-1].clamp(min=torch.finfo(torch.float64).tiny))
    return torch.stack(rows).mean(dim=0)

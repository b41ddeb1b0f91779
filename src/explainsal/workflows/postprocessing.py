"""Post-processing of a model's maps as one module with a description."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explainsal.classical.center_bias import CenterBias
from explainsal.functional.postprocessing import gaussian_blur, match_histogram

NONE = "none"


@dataclass(frozen=True)
class PostprocessingOptions:
    """Steps applied to a model's maps, in this order.

    Args:
        blur: Standard deviation of a Gaussian in pixels; None: no blur.
        center_bias: Whether to multiply by the center bias of the training split.
        histogram: Whether to match the values to the mean distribution of training densities.
    """

    blur: float | None = None
    center_bias: bool = False
    histogram: bool = False


class Postprocessing(nn.Module):
    """Blur, multiply by a center bias, and match the histogram of maps; each step is optional.

    Published numbers of classical models often include some of these steps; a results row names those applied.

    Args:
        blur: Standard deviation of the Gaussian, in pixels of the maps.
        center_bias: Center bias whose density multiplies the maps.
        quantiles: Shape ``(Q,)``, ascending: target distribution of values, see `match_histogram`.

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
        """Names of the applied steps, for results tables."""
        steps = {
            f"blur {self.blur:g} px" if self.blur is not None else "": self.blur is not None,
            "× center bias": self.center_bias is not None,
            "histogram of training densities": self.quantiles is not None,
        }
        return ", ".join(step for step, done in steps.items() if done) or NONE

    def forward(self, maps: Tensor) -> Tensor:
        """Process non-negative maps ``(B, 1, H, W)``; the shape stays the same."""
        if self.blur is not None:
            maps = gaussian_blur(maps, self.blur)
        if self.center_bias is not None:
            density = self.center_bias.density((int(maps.shape[-2]), int(maps.shape[-1])))
            maps = maps * (density / density.max()).to(maps)
        if isinstance(self.quantiles, Tensor):
            maps = match_histogram(maps, self.quantiles)
        return maps


def mean_quantiles(densities: list[Tensor], count: int = 1024) -> Tensor:
    """Average the value distributions of densities ``(H, W)``, each scaled to maximum 1; ascending, ``(count,)``.

    Raises:
        ValueError: If `densities` is empty.
    """
    if not densities:
        raise ValueError("histogram matching needs at least one density")
    ranks = torch.linspace(0, 1, count, dtype=torch.float64)
    rows = []
    for density in densities:
        values = density.double().flatten().sort().values
        place = (ranks * (len(values) - 1)).round().long()
        rows.append(values[place] / values[-1].clamp(min=torch.finfo(torch.float64).tiny))
    return torch.stack(rows).mean(dim=0)

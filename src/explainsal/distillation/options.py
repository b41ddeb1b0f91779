"""Options of a fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.presets import PRESETS


@dataclass(frozen=True)
class DistillOptions:
    """Options of a fit.

    Args:
        bank: Filter bank.
        layers: Layers with a stage, see :func:`~explainsal.tracing.layers.select_layers`. The last map always has a
            stage; with ``()`` it is the only one, computed directly from the image.
        largest_map: Longest side, in pixels, of a layer with a stage (except the last). Larger layers are close to the
            image, which is a source of every stage, and cost most.
        terms: Maximum number of coefficients per map.
        nonnegative: Whether negative weights are forbidden (constants may be negative).
        pool_size: Maps per stage.
        ancestors: Whether a stage may use all earlier stages, not only those that feed its layer.
        input_maps: Maps of the image that are filtered.
        center: Whether maps of the position are candidates.
        target: Target of the last stage: the network's map (``"deep"``), or ``"fixations"``, the densities divided by
            their sum, in units of a uniform map.
        samples_per_side: Maximum number of sampled rows and columns. Larger maps are subsampled, because neighboring
            pixels are redundant.
    """

    bank: FilterBank = PRESETS["sparse"].bank
    layers: str | tuple[str, ...] = "block"
    largest_map: int = 64
    terms: int = 20
    nonnegative: bool = False
    pool_size: int = 12
    ancestors: bool = False
    input_maps: Literal["luminance", "opponent"] = "opponent"
    center: bool = True
    target: Literal["deep", "fixations"] = "deep"
    samples_per_side: int = 64

    def __post_init__(self) -> None:
        for name in ("terms", "pool_size", "largest_map", "samples_per_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, allowed in (("target", ("deep", "fixations")), ("input_maps", ("luminance", "opponent"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {getattr(self, name)!r}")

    def plain(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        values = asdict(self)
        values["bank"].pop("filters")
        return values

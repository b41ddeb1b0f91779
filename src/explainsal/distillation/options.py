"""Options of a fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from explainsal.explanation.bank import FilterBank


def _default_bank() -> FilterBank:
    from explainsal.explanation.presets import BANKS, PRESETS  # the command line reads these options before PyTorch

    octave = BANKS["octave"]
    return replace(PRESETS["sparse"].bank, wavelengths=octave.wavelengths, n_orientations=octave.n_orientations)


_CHOICES = {
    "target": ("deep", "fixations"),
    "input_maps": ("luminance", "opponent"),
}


@dataclass(frozen=True)
class DistillOptions:
    """Options of a fit.

    Args:
        bank: Filter bank; by default that of the preset ``sparse``, with all wavelengths and orientations of
            the bank ``octave``.
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

    bank: FilterBank = field(default_factory=_default_bank)
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
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {getattr(self, name)!r}")

    def plain(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        values = asdict(self)
        values["bank"].pop("filters")
        return values


@dataclass(frozen=True)
class RefineOptions:
    """Options of the refinement.

    Args:
        epochs: Passes over the training images; 0 keeps the fit unchanged.
        rate: Largest step of Adam, for a weight in standard deviations of its map per standard deviation of its
            candidate; it decays to 0 as a cosine.
        batch_size: Images per step.
        deep: Weight of the loss against the network's map, :func:`~explainsal.functional.losses.kl_div_cc`.
        fixations: Weight of the same loss against the fixation densities.
        decenter: Power of the mean map by which target maps are divided: 0 keeps their center bias, 1 removes it.
            Removal raises the shuffled AUC and lowers every other metric.
        nonnegative: Whether weights stay at 0 or above, for a fit with nonnegative weights.
        mirror: Whether a random half of the images is mirrored.
        seed: Seed of the order of the images.
    """

    epochs: int = 0
    rate: float = 0.02
    batch_size: int = 8
    deep: float = 1.0
    fixations: float = 0.0
    decenter: float = 0.0
    nonnegative: bool = False
    mirror: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.rate <= 0 or self.batch_size < 1:
            raise ValueError(f"epochs must be at least 0, rate and batch_size positive; got {self}")
        if min(self.deep, self.fixations) < 0 or self.deep + self.fixations <= 0:
            raise ValueError("the weights deep and fixations must not be negative, and not both 0")
        if not 0 <= self.decenter <= 1:
            raise ValueError(f"decenter must lie between 0 and 1, got {self.decenter}")

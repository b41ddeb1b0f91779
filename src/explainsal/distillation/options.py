"""Every choice of a fit, with its default."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from explainsal.explanation.bank import FilterBank


def _sparse_bank() -> FilterBank:
    from explainsal.explanation.presets import PRESETS  # the command line reads these options before it needs PyTorch

    return PRESETS["sparse"].bank


_CHOICES = {
    "target": ("deep", "fixations"),
    "input_maps": ("luminance", "opponent"),
    "output": ("map", "log_density"),
}


@dataclass(frozen=True)
class DistillOptions:
    """Every choice of a fit.

    Args:
        bank: The filters; by default those of the preset ``sparse``.
        layers: Which layers have a stage; see :func:`~explainsal.tracing.layers.select_layers`. The last map always has
            one; ``()`` leaves it alone, straight from the image.
        largest_map: Layers with a longer side than this, in pixels, are left out (not the last): they are close to the
            image, which every stage is offered, and cost most.
        terms: Coefficients per map, at most.
        nonnegative: Whether weights below 0 are forbidden (constants may be).
        pool_size: Maps per stage.
        ancestors: Whether a stage is offered all earlier ones, not only those that feed its layer.
        input_maps: What of the image the filters see.
        center: Whether maps of the position are offered.
        target: What the last stage is fitted to: the network's map (``"deep"``), or ``"fixations"``, the densities
            divided by their sum, in units of a uniform map.
        output: What the last stage gives: the saliency map (``"map"``), or scores whose softmax over the pixels is the
            map (``"log_density"``): it is fitted to logarithms then, and a peaked density needs no peaked sum.
        density_weight: How much more a pixel counts where the target's density is high, in all stages: weights are
            ``1 - density_weight + density_weight * density`` with a density of mean 1.
        samples_per_side: Of larger maps only every n-th row and column is looked at, so that at most so many remain:
            neighbouring pixels say the same.
    """

    bank: FilterBank = field(default_factory=_sparse_bank)
    layers: str | tuple[str, ...] = "block"
    largest_map: int = 64
    terms: int = 20
    nonnegative: bool = False
    pool_size: int = 12
    ancestors: bool = False
    input_maps: Literal["luminance", "opponent"] = "opponent"
    center: bool = True
    target: Literal["deep", "fixations"] = "deep"
    output: Literal["map", "log_density"] = "map"
    density_weight: float = 0.0
    samples_per_side: int = 64

    def __post_init__(self) -> None:
        for name in ("terms", "pool_size", "largest_map", "samples_per_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.density_weight <= 1:
            raise ValueError(f"density_weight must lie between 0 and 1, got {self.density_weight}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {getattr(self, name)!r}")

    def plain(self) -> dict[str, Any]:
        """The same as values of JSON."""
        values = asdict(self)
        values["bank"].pop("filters")
        return values


@dataclass(frozen=True)
class RefineOptions:
    """How coefficients are refined.

    Args:
        epochs: Passes over the training images; 0: the fit as it is.
        rate: Largest step of Adam, of a weight in standard deviations of its map per standard deviation of its
            candidate; it falls to 0 as a cosine.
        batch_size: Images per step.
        deep: Weight of the loss against the network's map, :func:`~explainsal.functional.losses.kl_div_cc`.
        fixations: Weight of the same against the fixation densities.
        decenter: Power of their mean map that the maps to imitate are divided by: 0 leaves their centre bias in, 1
            takes it out. Shuffled AUC rewards that, and every other metric is against it.
        nonnegative: Whether weights stay at 0 or above, for a fit that forbade others.
        mirror: Whether half of the images are seen mirrored, by chance.
        seed: Of the order of the images.
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

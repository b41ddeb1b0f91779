"""Every choice of an explanation.

docs/decisions/0028 describes the effect of each option.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from explainsal.explanation.bank import FilterBank


@dataclass(frozen=True)
class Options:
    """Every choice of an explanation.

    Args:
        bank: The filter bank.
        scaling: Scaling of activations and candidates before comparison: ``"none"`` (the paper), ``"min_max"`` to [0,
            1], ``"standardize"`` to zero mean and unit variance.
        coefficients: ``"inverse_mae"`` (Eq. 3); ``"least_squares"``: the candidates matched by Eq. 2, weighted by least
            squares instead of by their errors; ``"greedy"``: the weights of Eq. 3, with either sign, of candidates
            chosen one after the other so that their weighted sum fits best
            (:func:`~explainsal.functional.greedy.inverse_error_pursuit`); ``"omp"`` (signed orthogonal matching
            pursuit); ``"nnls"`` (the same with non-negative weights).
        top_k: Candidates per reconstruction (for matching, per scale).
        scales: Relative scales of the matching; only for ``"inverse_mae"`` and ``"least_squares"``.
        joint_scales: Whether all scales share the candidates of smallest mean error, instead of selecting their own.
        block_size: Side of a variance block in pixels; only for matching.
        descriptor: Descriptor for matching: block-wise ``"variance"`` (Eq. 2), or ``"mean_deviation"``, the mean and
            standard deviation of each block, which also represent where a map is high or low.
        ridge: Value added to the diagonal of the candidates' correlations in least squares: weights of similar
            candidates shrink instead of cancelling each other. Not for ``"inverse_mae"``.
        signed: Whether an inverse-error weight gets the sign of the candidate's correlation with the activation map,
            since block variance cannot distinguish a map from its negative. The paper's weights are positive.
        fusion: Fusion of scales: ``"root_sum_squares"`` (Eq. 4), or ``"mean"``, which keeps signs.
        partial_blocks: Whether incomplete blocks at the border are used (``"keep"``) or not (``"crop"``).
        rescale: Units of a reconstruction: ``"none"`` (the paper) leaves them, ``"moments"`` sets the mean and standard
            deviation of the activation map. Sparse weights need no rescaling.
        selection: Reconstructions that form the next pool: smallest ``"mae"``, smallest ``"relative_mae"`` (relative to
            the map's mean absolute deviation), highest ``"correlation"``, or ``"coverage"``: those that together
            explain most of the layer, so that the pool is diverse.
        pool_size: Size of a pool.
        chain: Sources of candidates: ``"sequential"``, the previous layer (the paper), or ``"graph"``, the actual
            parents of the layer; ``"random"``, one random earlier layer each, is a null model.
        generations: Number of generations of sources: 1, the layers selected by the chain; 2, also their sources; and
            so on, except the image (`image_candidates`). A number above the depth of the network selects all ancestors.
        chain_seed: Seed of the ``"random"`` chain.
        noise_floor: For ``"omp"``: a term is used only while it explains at least this many times the share of the
            residual that the best of as many candidates of pure noise would explain by chance
            (:func:`~explainsal.explanation.pursuit.chance_share`); 0 always uses `top_k` terms. If no map of a layer
            would have a term, each map keeps its first.
        output_weight: From 0 (equal pixel weights) to 1: share of the pixel weights that follows their influence on the
            network's output (:mod:`~explainsal.explanation.output_weights`), in Eq. 2, in least squares, in the
            selection of a pool, and in the units of a reconstruction.
        input_maps: Maps of the image to filter: its ``"luminance"``, or ``"opponent"``: luminance and two
            color-opponent maps (:func:`~explainsal.explanation.input_maps.input_maps`).
        image_candidates: Whether the image's own responses are candidates at every layer, not only at the first.
        fill_pool: Whether a layer whose sources have fewer maps than a pool (e.g. after a layer of one map) also uses
            the sources of these.
        layers: Layers to rebuild; see :func:`~explainsal.tracing.layers.select_layers`.
        memory_budget: Bytes that an explanation may use beyond the network's own forward pass; None: 2 GB on a CPU, 8
            GB on an accelerator. If it is too small for a layer, an error states the required number. On a CPU, each of
            the images that are explained at the same time has its own.
    """

    bank: FilterBank
    scaling: Literal["none", "min_max", "standardize"]
    coefficients: Literal["inverse_mae", "least_squares", "greedy", "omp", "nnls"]
    top_k: int
    scales: tuple[float, ...]
    block_size: int
    partial_blocks: Literal["keep", "crop"]
    descriptor: Literal["variance", "mean_deviation"]
    signed: bool
    fusion: Literal["root_sum_squares", "mean"]
    rescale: Literal["none", "moments"]
    selection: Literal["mae", "relative_mae", "correlation", "coverage"]
    pool_size: int
    chain: Literal["sequential", "graph", "random"]
    input_maps: Literal["luminance", "opponent"]
    image_candidates: bool
    fill_pool: bool
    layers: str | tuple[str, ...]
    joint_scales: bool = False
    ridge: float = 0.0
    generations: int = 1
    chain_seed: int = 0
    noise_floor: float = 0.0
    output_weight: float = 0.0
    memory_budget: int | None = None

    @property
    def matching(self) -> bool:
        """True if each candidate is selected by its own block statistics (Eq. 2), not together with others."""
        return self.coefficients in ("inverse_mae", "least_squares")

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {getattr(self, name)!r}")
        for name in ("top_k", "pool_size", "block_size", "generations"):
            if not _is_number(getattr(self, name), whole=True) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, a whole number; got {getattr(self, name)!r}")
        for name in ("joint_scales", "signed", "image_candidates", "fill_pool"):
            if not isinstance(getattr(self, name), bool):  # a string such as "no" would count as true
                raise ValueError(f"{name} must be true or false, got {getattr(self, name)!r}")
        for name in ("ridge", "noise_floor"):
            if not _is_number(getattr(self, name)) or getattr(self, name) < 0:
                raise ValueError(f"{name} must be a number from 0, got {getattr(self, name)!r}")
        if self.coefficients == "greedy" and self.scaling != "standardize":
            raise ValueError(f'coefficients="greedy" needs scaling="standardize", got {self.scaling!r}')
        if not _is_number(self.output_weight) or not 0 <= self.output_weight <= 1:
            raise ValueError(f"output_weight must be a number from 0 to 1, got {self.output_weight!r}")
        if not self.scales or not all(_is_number(scale) and scale > 0 for scale in self.scales):
            raise ValueError(f"scales must hold positive numbers, got {self.scales}")
        if self.memory_budget is not None and not _is_number(self.memory_budget):
            raise ValueError(f"memory_budget must be a number of bytes, such as 2e9; got {self.memory_budget!r}")


def _is_number(value: Any, *, whole: bool = False) -> bool:
    """Return whether a value is a finite number."""
    kinds = int if whole else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]


@dataclass
class BankChanges:
    """Changed values of a filter bank; None keeps the bank's own value.

    The fields are those of :class:`~explainsal.explanation.bank.FilterBank`, and three that define a geometric series
    of wavelengths, in which None also keeps the bank's value. Give either `wavelengths` or the series.

    Args:
        min_wavelength: First wavelength of the series, in pixels.
        wavelength_factor: Ratio of consecutive wavelengths.
        n_wavelengths: Length of the series.
    """

    wavelengths: tuple[float, ...] | None = None
    min_wavelength: float | None = None
    wavelength_factor: float | None = None
    n_wavelengths: int | None = None
    n_orientations: int | None = None
    sigma_on_f: tuple[float, ...] | float | None = None
    sigma_theta: tuple[float, ...] | float | None = None
    orientation_range: float | None = None
    parts: tuple[str, ...] | None = None
    sigma_unit: str | None = None
    low_pass: tuple[float, ...] | None = None
    low_pass_parts: tuple[str, ...] | None = None
    up_to_map_size: bool | None = None
    border: str | None = None
    shuffle: int | None = None


_CHOICES: dict[str, tuple[str, ...]] = {
    "scaling": ("none", "min_max", "standardize"),
    "coefficients": ("inverse_mae", "least_squares", "greedy", "omp", "nnls"),
    "partial_blocks": ("keep", "crop"),
    "descriptor": ("variance", "mean_deviation"),
    "fusion": ("root_sum_squares", "mean"),
    "rescale": ("none", "moments"),
    "selection": ("mae", "relative_mae", "correlation", "coverage"),
    "chain": ("sequential", "graph", "random"),
    "input_maps": ("luminance", "opponent"),
}

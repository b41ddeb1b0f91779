"""Rebuilding a layer the paper's way: candidates of similar block variance, weighted by inverse error (Eq. 2 to 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates, scaled
from explainsal.explanation.presets import Options
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.functional.block_variance import scaled_block_variance
from explainsal.functional.coefficients import inverse_mae_weights
from explainsal.functional.reconstruction import centered_scale, fuse_scales, least, pairwise_mae


def match_layer(activations: Tensor, candidates: Candidates, options: Options, budget: int) -> Rebuilt:
    """Rebuild every activation map of a layer.

    Args:
        activations: Shape ``(B, A, H, W)``, finite.
        candidates: Of the same images and size.
        options: How.
        budget: Bytes for what is combined at once.

    Returns:
        The reconstructions and their terms, ``top_k`` per scale.
    """
    target = scaled(activations, options.scaling)
    errors = _errors(target, candidates, options)  # (B, A, S, N)
    errors = errors.masked_fill(~candidates.usable[:, None, None], torch.inf)
    mae, index = least(errors, options.top_k)  # (B, A, S, T)
    weights = torch.where(mae.isinf(), 0, inverse_mae_weights(mae)).nan_to_num(0)
    maps = torch.empty_like(activations)
    each = (len(options.scales) + 2) * activations[:, 0].numel() * activations.element_size()
    step = max(1, budget // (4 * each))
    for a in range(0, activations.shape[1], step):
        combined = _combine(candidates, index[:, a : a + step], weights[:, a : a + step])
        maps[:, a : a + step] = fuse_scales(combined, options.scales)
    if options.rescale == "moments":
        maps = _with_moments(maps, activations)
        target = activations
    return Rebuilt(maps, target, Terms(index.flatten(2), weights.flatten(2)))


def _errors(target: Tensor, candidates: Candidates, options: Options) -> Tensor:
    """Eq. 2 for all activation maps, scales and candidates, ``(B, A, S, N)``."""

    def described(maps: Tensor, scale: float) -> Tensor:
        return scaled_block_variance(maps, scale, options.block_size, partial=options.partial_blocks).flatten(-2)

    wanted = [described(target, scale) for scale in options.scales]
    errors = target.new_empty(*target.shape[:2], len(options.scales), len(candidates))
    for index, maps in candidates.chunks():
        for s, scale in enumerate(options.scales):
            errors[:, :, s, index] = pairwise_mae(wanted[s], described(maps, scale))
    return errors


def _combine(candidates: Candidates, index: Tensor, weights: Tensor) -> Tensor:
    """Eq. 3: ``(B, A, S, H, W)`` from the chosen candidates ``(B, A, S, T)``."""
    matrix = weights.new_zeros(*weights.shape[:-1], len(candidates)).scatter_add_(-1, index, weights).flatten(1, 2)
    total = weights.new_zeros(*matrix.shape[:2], candidates.size[0] * candidates.size[1])
    for position, maps in candidates.chunks():
        total.baddbmm_(matrix[:, :, position], maps.flatten(-2))
    return total.reshape(*weights.shape[:-1], *candidates.size)


def _with_moments(maps: Tensor, activations: Tensor) -> Tensor:
    """Give each reconstruction the mean and the standard deviation of its activation map."""
    form, _, _ = centered_scale(maps.flatten(-2))
    _, mean, std = centered_scale(activations.flatten(-2))
    return (form * std + mean).reshape(maps.shape)

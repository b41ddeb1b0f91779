"""Rebuilding a layer the paper's way: candidates of similar block variance, weighted by inverse error (Eq. 2 to 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates, combine_candidates, scaled
from explainsal.explanation.presets import Options
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.functional import native
from explainsal.functional.block_variance import scaled_block_moments
from explainsal.functional.coefficients import inverse_mae_weights
from explainsal.functional.reconstruction import centered_scale, fuse_scales, least, pairwise_mae

# Pixels that a CPU describes at a time, for enlarged and for other scales: the dozen arrays that the former need, and
# the three of the latter, stay in the second-level cache. Compiled code makes no such arrays but the resized maps.
_CPU_BLOCKS, _COMPILED_BLOCKS = (2**16, 2**18), (2**21, 2**20)


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
    errors, signs = _compare(target, candidates, options)  # (B, A, S, N), (B, A, N)
    errors = errors.masked_fill(~candidates.usable[:, None, None], torch.inf)
    mae, index = least(errors, options.top_k)  # (B, A, S, T)
    weights = torch.where(mae.isinf(), 0, inverse_mae_weights(mae)).nan_to_num(0)
    if signs is not None:
        weights = weights * signs[:, :, None].expand_as(errors).gather(-1, index)
    maps = torch.empty_like(activations)
    each = (len(options.scales) + 2) * activations[:, 0].numel() * activations.element_size()
    step = max(1, budget // (4 * each))
    for a in range(0, activations.shape[1], step):
        combined = _combine(candidates, index[:, a : a + step], weights[:, a : a + step])
        maps[:, a : a + step] = fuse_scales(combined, options.scales, options.fusion)
    if options.rescale == "moments":
        maps = _with_moments(maps, activations)
        target = activations
    return Rebuilt(maps, target, Terms(index.flatten(2), weights.flatten(2)))


def _compare(target: Tensor, candidates: Candidates, options: Options) -> tuple[Tensor, Tensor | None]:
    """Eq. 2 for all maps, scales and candidates, ``(B, A, S, N)``; the signs of their correlations, if wanted."""

    centered = (target - target.mean((-2, -1), keepdim=True)).flatten(-2)
    mine = _describe(target, options)
    opposite = _describe(-target, options) if options.signed else mine
    errors = target.new_empty(*target.shape[:2], len(options.scales), len(candidates))
    signs = target.new_empty(*target.shape[:2], len(candidates)) if options.signed else None
    for index, maps in candidates.chunks():
        negative = centered @ maps.flatten(-2).transpose(1, 2) < 0 if options.signed else None
        for s, theirs in enumerate(_describe(maps, options)):
            error = pairwise_mae(mine[s], theirs)
            if negative is not None and options.descriptor != "variance":  # variance does not know the sign
                error = torch.where(negative, pairwise_mae(opposite[s], theirs), error)
            errors[:, :, s, index] = error
        if signs is not None and negative is not None:
            signs[:, :, index] = 1 - 2 * negative.to(signs)
    return errors, signs


def _describe(maps: Tensor, options: Options) -> list[Tensor]:
    """What maps are matched by, ``(B, n, D)`` per scale."""
    described: dict[float, Tensor] = {}
    blocks = _COMPILED_BLOCKS if native.serves(maps) else _CPU_BLOCKS
    for block, scales in zip(blocks, _enlarging_and_other(options.scales), strict=True):
        at_once = maps.shape[1] if maps.device.type != "cpu" else max(1, block // maps[0, 0].numel())
        parts = [_describe_at(some, scales, options) for some in maps.split(at_once, dim=1)] if scales else []
        whole = [one[0] if len(one) == 1 else torch.cat(one, dim=1) for one in zip(*parts, strict=True)]
        described |= zip(scales, whole, strict=True) if scales else {}
    return [described[scale] for scale in options.scales]


def _enlarging_and_other(scales: Sequence[float]) -> tuple[list[float], list[float]]:
    return [scale for scale in scales if scale > 1], [scale for scale in scales if scale <= 1]


def _describe_at(maps: Tensor, scales: Sequence[float], options: Options) -> list[Tensor]:
    moments = scaled_block_moments(maps, scales, options.block_size, partial=options.partial_blocks)
    if options.descriptor == "variance":
        return [variance.flatten(-2) for _, variance in moments]
    return [torch.cat([mean.flatten(-2), variance.sqrt().flatten(-2)], dim=-1) for mean, variance in moments]


def _combine(candidates: Candidates, index: Tensor, weights: Tensor) -> Tensor:
    """Eq. 3: ``(B, A, S, H, W)`` from the chosen candidates ``(B, A, S, T)``."""
    total = combine_candidates(candidates, index.flatten(1, 2), weights.flatten(1, 2))
    return total.reshape(*weights.shape[:-1], *candidates.size)


def _with_moments(maps: Tensor, activations: Tensor) -> Tensor:
    """Give each reconstruction the mean and the standard deviation of its activation map."""
    form, _, _ = centered_scale(maps.flatten(-2))
    _, mean, std = centered_scale(activations.flatten(-2))
    return (form * std + mean).reshape(maps.shape)

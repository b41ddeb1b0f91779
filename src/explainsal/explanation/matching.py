"""Rebuild a layer as in the paper: match block variances, weight by inverse error (Eq. 2 to 4)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates, combine_candidates, in_order, scaled
from explainsal.explanation.least_squares import least_squares_weights
from explainsal.explanation.options import Options
from explainsal.explanation.parts import InParts, maps_at_once
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.functional.block_variance import scaled_block_moments
from explainsal.functional.coefficients import inverse_mae_weights
from explainsal.functional.kernels import row_kernels
from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.reconstruction import fuse_scales, least, pairwise_mae
from explainsal.functional.weighted import scale_rows

# Pixels that a CPU describes together, for enlarged and for other scales, so that the dozen arrays of the former and
# the three of the latter stay in the second-level cache. Compiled loops need no such arrays.
_CPU_BLOCKS = (2**16, 2**18)
_CPU_COMBINED = 2**20  # pixels of combinations that a CPU computes together, if candidates are not recomputed


def match_layer(activations: Tensor, candidates: Candidates, options: Options, budget: int) -> Rebuilt:
    """Rebuild every activation map of a layer.

    Args:
        activations: Shape ``(B, A, H, W)``, finite.
        candidates: Candidates of the same images and size.
        options: Options of the explanation.
        budget: Bytes for arrays derived from the activations, and for combinations computed together.

    Returns:
        The reconstructions and their terms, ``top_k`` per scale.
    """
    pixels = candidates.pixel_weights
    at_once, signs = maps_at_once(activations, budget), None
    if options.signed and len(options.scales) == 1 and candidates.views is not None and loops_run(activations):
        mae, index, signs = _nearest_signed(activations, candidates, options, at_once)
    else:
        errors, all_signs = _compare(activations, candidates, options, at_once)
        usable = candidates.usable
        if not (loops_run(activations) and bool(usable.all())):  # an accelerator would have to be waited for
            errors = errors.masked_fill(~usable[:, None, None], torch.inf)
        mae, index = _nearest(errors, options)
        if all_signs is not None:
            signs = all_signs[:, :, None].expand_as(errors).gather(-1, index)
    if options.coefficients == "least_squares":
        weights = least_squares_weights(activations, candidates, torch.where(mae.isinf(), -1, index), options, budget)
    else:
        weights = torch.where(mae.isinf(), 0, inverse_mae_weights(mae)).nan_to_num(0)
        if signs is not None:
            weights = weights * signs
    maps = _combined(activations, candidates, index, weights, options, budget)
    unscaled = options.rescale == "moments"
    target = activations if unscaled else scaled(activations, options.scaling, pixel_weights=pixels)
    return Rebuilt(maps, target, Terms(index.flatten(2), weights.flatten(2)))


def _nearest(errors: Tensor, options: Options) -> tuple[Tensor, Tensor]:
    """Return the candidates of smallest error ``(B, A, S, N)`` with these errors, both ``(B, A, S, T)``."""
    if not options.joint_scales:
        return least(errors, options.top_k)
    _, shared = least(errors.mean(2, keepdim=True), options.top_k)
    index = shared.expand(*errors.shape[:3], -1)
    return errors.gather(-1, index), index


def _nearest_signed(
    activations: Tensor, candidates: Candidates, options: Options, at_once: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Find candidates of least error at one scale, with errors and signs, ``(B, A, 1, T)``, by few correlations.

    A candidate enters Eq. 2 with the sign of its correlation with the activation map. Errors with either sign are
    cheap. Correlations are computed only for the candidates whose smaller error could be among the least.
    """
    straight, opposite = _errors_of_both_signs(activations, candidates, options, at_once)
    form = torch.cat(
        [_centered(some, options.scaling, candidates.pixel_weights) for some in activations.split(at_once, 1)], 1
    )
    negative = torch.zeros_like(straight, dtype=torch.bool)
    errors = torch.full_like(straight, torch.inf)
    least_possible = torch.minimum(straight, opposite)
    asked = torch.zeros_like(negative)
    asked.scatter_(-1, least(least_possible, options.top_k)[1], True)
    for _ in range(2):  # first the likely candidates, then all that remain possible
        asked &= least_possible.isfinite()
        for b, pairs in enumerate(asked):
            _correlate(form[b], candidates, b, pairs, negative[b])
        errors = torch.where(asked, torch.where(negative, opposite, straight), errors)
        worst = least(errors, options.top_k)[0][..., -1:]
        asked = (least_possible <= worst) & ~asked
    mae, index = least(errors, options.top_k)
    signs = 1 - 2 * negative.gather(-1, index).to(activations)
    return mae[:, :, None], index[:, :, None], signs[:, :, None]


def _correlate(form: Tensor, candidates: Candidates, image: int, asked: Tensor, negative: Tensor) -> None:
    """Mark the requested pairs ``(A, N)`` of maps and candidates that correlate negatively."""
    for (start, stop), view in zip(itertools.pairwise(candidates.starts), candidates.views or (), strict=True):
        pairs = asked[:, start:stop].nonzero()
        found = row_kernels.pair_products(form, view.rows[image], pairs) < 0
        negative[:, start:stop][pairs[:, 0], pairs[:, 1]] = found


def _errors_of_both_signs(
    activations: Tensor, candidates: Candidates, options: Options, at_once: int
) -> tuple[Tensor, Tensor]:
    """Compute Eq. 2 at one scale for maps and negated maps, ``(B, A, N)``; infinite at empty places."""
    pixels = candidates.pixel_weights
    [heavy] = _block_weights(pixels, candidates.size, options)
    [mine] = _describe(activations, options, at_once, options.scaling, pixels)
    mine = mine if heavy is None else mine * heavy
    # negating a map negates block means but not deviations
    flipped = 0 if options.descriptor == "variance" else mine.shape[-1] // 2
    parts = []
    for _, maps in candidates.chunks():
        [theirs] = _describe(maps, options)
        theirs = theirs if heavy is None else theirs * heavy
        same = pairwise_mae(mine[..., flipped:], theirs[..., flipped:]) * (mine.shape[-1] - flipped)
        means, others = mine[..., :flipped], theirs[..., :flipped]
        parts.append([same + (pairwise_mae(sign * means, others) * flipped if flipped else 0) for sign in (1, -1)])
    straight, opposite = (torch.cat(some, dim=-1).div_(mine.shape[-1]) for some in zip(*parts, strict=True))
    unusable = ~candidates.usable[:, None]
    return straight.masked_fill_(unusable, torch.inf), opposite.masked_fill_(unusable, torch.inf)


def _compare(
    activations: Tensor, candidates: Candidates, options: Options, at_once: int
) -> tuple[Tensor, Tensor | None]:
    """Compute Eq. 2 for all maps, scales and candidates, ``(B, A, S, N)``, and the signs of correlations if needed."""
    pixels = candidates.pixel_weights
    heavy = _block_weights(pixels, candidates.size, options)
    mine = _describe(activations, options, at_once, options.scaling, pixels)
    mine = [one if some is None else one * some for one, some in zip(mine, heavy, strict=True)]
    errors: list[tuple[Tensor, Tensor]] = []
    signs: list[tuple[Tensor, Tensor]] = []
    forms = (
        InParts(activations, at_once, lambda some: _centered(some, options.scaling, pixels)) if options.signed else ()
    )
    for index, maps in candidates.chunks():
        products = [form @ maps.flatten(-2).transpose(1, 2) for form in forms]
        negative = torch.cat(products, dim=1) < 0 if products else None
        at_scales = []
        for s, theirs in enumerate(_describe(maps, options)):
            # negating a map negates block means but not deviations
            flipped = 0 if options.descriptor == "variance" else theirs.shape[-1] // 2
            theirs = theirs if (weight := heavy[s]) is None else theirs * weight
            error = pairwise_mae(mine[s], theirs, negative if flipped else None, flipped)
            at_scales.append(error)
        errors.append((index, torch.stack(at_scales, dim=2)))
        if negative is not None:
            signs.append((index, 1 - 2 * negative.to(activations)))
    return in_order(errors), in_order(signs) if signs else None


def _centered(maps: Tensor, scaling: str, pixels: Tensor | None) -> Tensor:
    """Return maps whose inner product with a candidate has the sign of their covariance, ``(B, n, H * W)``."""
    flat = scaled(maps, scaling, pixel_weights=pixels).flatten(-2)
    if pixels is None:
        return flat - flat.mean(-1, keepdim=True)
    return (flat - (flat * pixels).mean(-1, keepdim=True)) * pixels


def _block_weights(pixels: Tensor | None, size: tuple[int, int], options: Options) -> list[Tensor] | list[None]:
    """Return the weight of each descriptor value in Eq. 2, ``(B, 1, D)`` per scale, with mean 1."""
    if pixels is None:
        return [None] * len(options.scales)
    moments = scaled_block_moments(
        pixels.unflatten(-1, size), options.scales, options.block_size, partial=options.partial_blocks
    )
    blocks = [mean.flatten(-2) / mean.mean((-2, -1), keepdim=True).flatten(-2) for mean, _ in moments]
    return blocks if options.descriptor == "variance" else [torch.cat([one, one], dim=-1) for one in blocks]


def _describe(
    maps: Tensor, options: Options, at_once: int | None = None, scaling: str = "none", pixels: Tensor | None = None
) -> list[Tensor]:
    """Return the descriptors for matching, ``(B, n, D)`` per scale; maps are scaled and described in groups."""
    some = maps.split(at_once or maps.shape[1], dim=1)
    parts = [_describe_some(scaled(one, scaling, pixel_weights=pixels), options) for one in some]
    return parts[0] if len(parts) == 1 else [torch.cat(one, dim=1) for one in zip(*parts, strict=True)]


def _describe_some(maps: Tensor, options: Options) -> list[Tensor]:
    if loops_run(maps):
        return _describe_at(maps, options.scales, options)
    described: dict[float, Tensor] = {}
    for block, scales in zip(_CPU_BLOCKS, _enlarging_and_other(options.scales), strict=True):
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


def _combined(
    activations: Tensor, candidates: Candidates, index: Tensor, weights: Tensor, options: Options, budget: int
) -> Tensor:
    """Compute Eq. 3 and 4 from the selected candidates ``(B, A, S, T)``: the maps ``(B, A, H, W)``.

    If the combinations of all scales do not fit into memory, maps are processed in groups, with recomputed candidates.
    """
    maps = torch.empty_like(activations)
    at_once = maps_at_once(activations, budget, arrays=len(options.scales) + 4)
    if candidates.kept and activations.device.type == "cpu":  # with few maps, work arrays stay in the cache
        at_once = min(at_once, max(8, _CPU_COMBINED // (len(options.scales) * activations[0, 0].numel())))
    for a in range(0, activations.shape[1], at_once):
        some, its = slice(a, a + at_once), weights[:, a : a + at_once]
        total = combine_candidates(candidates, index[:, some].flatten(1, 2), its.flatten(1, 2))
        fused = fuse_scales(total.reshape(*its.shape[:-1], *candidates.size), options.scales, options.fusion)
        rescaled = options.rescale == "moments"
        maps[:, some] = _with_moments(fused, activations[:, some], candidates.pixel_weights) if rescaled else fused
    return maps


def _with_moments(maps: Tensor, activations: Tensor, pixels: Tensor | None) -> Tensor:
    """Give each reconstruction the mean and the standard deviation of its activation map."""
    form, _, _ = scale_rows(maps.flatten(-2), pixels)
    _, mean, std = scale_rows(activations.flatten(-2), pixels)
    return (form * std + mean).reshape(maps.shape)

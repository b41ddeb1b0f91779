"""Rebuild a layer as in the paper: match block variances, weight by inverse error (Eq. 2 to 4)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates
from explainsal.explanation.combination import combine_candidates, in_order
from explainsal.explanation.least_squares import least_squares_weights
from explainsal.explanation.options import Options
from explainsal.explanation.parts import InParts, maps_at_once
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.explanation.scaling import scaled
from explainsal.functional.block_variance import scaled_block_moments
from explainsal.functional.coefficients import inverse_mae_weights
from explainsal.functional.computing import combinations_together, surely
from explainsal.functional.reconstruction import fuse_scales, least, pairwise_mae
from explainsal.functional.signed_matching import nearest_signed, signed_mae, signs_by_pairs
from explainsal.functional.weighted import pair_products, scale_rows


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
    own = scaled_parts(activations, candidates, options, maps_at_once(activations, budget))
    signs = None
    if options.signed and len(options.scales) == 1 and candidates.views is not None and signs_by_pairs(activations):
        mae, index, signs = _nearest_signed(own, candidates, options)
    else:
        errors, all_signs = _compare(own, candidates, options)
        if not surely(usable := candidates.usable):
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


def _nearest_signed(own: InParts, candidates: Candidates, options: Options) -> tuple[Tensor, Tensor, Tensor]:
    """Find candidates of least error at one scale, with errors and signs, ``(B, A, 1, T)``, by few correlations.

    A candidate enters Eq. 2 with the sign of its correlation with the activation map.
    """
    straight, opposite = signed_errors(own, candidates, options)
    forms = _joined([_centered(some, options.scaling, candidates.pixel_weights) for some in own])
    count, found = min(options.top_k, len(candidates)), []
    for b, (one, other) in enumerate(zip(straight, opposite, strict=True)):
        found.append(nearest_signed(one, other, count, partial(_negative_pairs, forms[b], candidates, b)))
    mae, index, negative = (torch.stack(some)[:, :, None] for some in zip(*found, strict=True))
    return mae, index, 1 - 2 * negative.to(forms)


def _negative_pairs(form: Tensor, candidates: Candidates, image: int, pairs: Tensor) -> Tensor:
    """Return whether pairs of a map and a candidate of an image correlate negatively, ``(m,)``."""
    negative = torch.empty(len(pairs), dtype=torch.bool)
    for start, view in zip(candidates.starts, candidates.views or (), strict=False):
        [own] = torch.where((pairs[:, 1] >= start) & (pairs[:, 1] < start + view.maps.shape[1]))
        some = pairs[own]
        some[:, 1] -= start
        negative[own] = pair_products(form, view.rows[image], some) < 0
    return negative


def scaled_parts(activations: Tensor, candidates: Candidates, options: Options, at_once: int) -> InParts:
    """Return groups of maps, each scaled as the options say, with the weights of the candidates' pixels."""
    pixels = candidates.pixel_weights
    return InParts(activations, at_once, lambda some: scaled(some, options.scaling, pixel_weights=pixels))


def signed_errors(own: InParts, candidates: Candidates, options: Options) -> tuple[Tensor, Tensor]:
    """Compute Eq. 2 at one scale for maps and for negated maps, from chunks of candidates in any order.

    Args:
        own: Scaled activation maps, from :func:`scaled_parts`.
        candidates: N candidates of the same images and size; rooted ones are compared without their roots.
        options: Options with one scale; those of the descriptor are used.

    Returns:
        Both errors ``(B, A, N)``; infinite at empty places.
    """
    pixels = candidates.pixel_weights
    [heavy] = _block_weights(pixels, candidates.size, options)
    [mine] = _describe(own, options)
    mine = mine if heavy is None else mine * heavy
    # negating a map negates block means but not deviations
    flipped = 0 if options.descriptor == "variance" else mine.shape[-1] // 2
    root = None if pixels is None or not candidates.rooted else pixels.sqrt().unflatten(-1, candidates.size)
    found: list[list[tuple[Tensor, Tensor]]] = [[], []]
    for index, maps in candidates.chunks():
        [theirs] = _describe([maps if root is None else maps / root], options)
        theirs = theirs if heavy is None else theirs * heavy
        for errors, one in zip(found, signed_mae(mine, theirs, flipped), strict=True):
            errors.append((index, one))
    straight, opposite = map(in_order, found)
    if not surely(usable := candidates.usable):
        straight, opposite = (errors.masked_fill(~usable[:, None], torch.inf) for errors in (straight, opposite))
    return straight, opposite


def _compare(own: InParts, candidates: Candidates, options: Options) -> tuple[Tensor, Tensor | None]:
    """Compute Eq. 2 for all maps, scales and candidates, ``(B, A, S, N)``, and the signs of correlations if needed."""
    pixels = candidates.pixel_weights
    heavy = _block_weights(pixels, candidates.size, options)
    mine = _describe(own, options)
    mine = [one if some is None else one * some for one, some in zip(mine, heavy, strict=True)]
    errors: list[tuple[Tensor, Tensor]] = []
    signs: list[tuple[Tensor, Tensor]] = []
    for index, maps in candidates.chunks():
        products = [
            _centered(some, options.scaling, pixels) @ maps.flatten(-2).mT for some in (own if options.signed else ())
        ]
        negative = torch.cat(products, dim=1) < 0 if products else None
        at_scales = []
        for s, theirs in enumerate(_describe([maps], options)):
            # negating a map negates block means but not deviations
            flipped = 0 if options.descriptor == "variance" else theirs.shape[-1] // 2
            theirs = theirs if (weight := heavy[s]) is None else theirs * weight
            error = pairwise_mae(mine[s], theirs, negative if flipped else None, flipped)
            at_scales.append(error)
        errors.append((index, torch.stack(at_scales, dim=2)))
        if negative is not None:
            signs.append((index, 1 - 2 * negative.to(maps)))
    return in_order(errors), in_order(signs) if signs else None


def _centered(maps: Tensor, scaling: str, pixels: Tensor | None) -> Tensor:
    """Return scaled maps such that an inner product with a candidate has the sign of the covariance, ``(B, n, P)``."""
    flat = maps.flatten(-2)
    if scaling != "standardize":
        flat = flat - (flat if pixels is None else flat * pixels).mean(-1, keepdim=True)
    return flat if pixels is None else flat * pixels


def _block_weights(pixels: Tensor | None, size: tuple[int, int], options: Options) -> list[Tensor] | list[None]:
    """Return the weight of each descriptor value in Eq. 2, ``(B, 1, D)`` per scale, with mean 1."""
    if pixels is None:
        return [None] * len(options.scales)
    moments = scaled_block_moments(
        pixels.unflatten(-1, size), options.scales, options.block_size, partial=options.partial_blocks
    )
    blocks = [mean.flatten(-2) / mean.mean((-2, -1), keepdim=True).flatten(-2) for mean, _ in moments]
    return blocks if options.descriptor == "variance" else [torch.cat([one, one], dim=-1) for one in blocks]


def _describe(parts: Iterable[Tensor], options: Options) -> list[Tensor]:
    """Return the descriptors of groups of maps ``(B, n, H, W)`` for matching, ``(B, n, D)`` per scale."""
    described = [_describe_some(some, options) for some in parts]
    return [_joined(list(one)) for one in zip(*described, strict=True)]


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _describe_some(maps: Tensor, options: Options) -> list[Tensor]:
    moments = scaled_block_moments(maps, options.scales, options.block_size, partial=options.partial_blocks)
    if options.descriptor == "variance":
        return [variance.flatten(-2) for _, variance in moments]
    return [torch.cat([mean.flatten(-2), variance.sqrt().flatten(-2)], dim=-1) for mean, variance in moments]


def _combined(
    activations: Tensor, candidates: Candidates, index: Tensor, weights: Tensor, options: Options, budget: int
) -> Tensor:
    """Compute Eq. 3 and Eq. 4 from the selected candidates ``(B, A, S, T)``: the maps ``(B, A, H, W)``.

    If the combinations of all scales do not fit into memory, maps are processed in groups, with recomputed candidates.
    """
    maps = torch.empty_like(activations)
    at_once = maps_at_once(activations, budget, arrays=len(options.scales) + 4)
    if candidates.kept:
        pixels = len(options.scales) * activations[0, 0].numel()
        at_once = combinations_together(at_once, pixels, activations.device)
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

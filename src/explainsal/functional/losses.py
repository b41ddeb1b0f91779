"""Training losses: each takes predicted maps and target densities ``(B, 1, H, W)`` and returns a scalar.

The scalar is the mean over the images of the batch with ground truth; a density of zeros marks an image without.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-7  # keeps losses of empty maps and zero predictions finite; far below any pixel of a normalised 8-bit map


def _as_distributions(maps: Tensor) -> Tensor:
    """Flatten to ``(B, H*W)`` and divide by the sum (Eq. 12)."""
    flat = maps.flatten(1)
    return flat / (flat.sum(dim=1, keepdim=True) + EPS)


def _mean(values: Tensor, target: Tensor) -> Tensor:
    """Average ``(B,)`` values over the images whose target ``(B, 1, H, W)`` is not all 0; 0 without such images."""
    known = target.flatten(1).amax(dim=1) > 0
    return torch.where(known, values, 0.0).sum() / known.sum().clamp(min=1)


def normalized_l1(preds: Tensor, target: Tensor) -> Tensor:
    r"""Compute the L1 distance of sum-normalised maps, the paper's loss (Eqs. 11 and 12), averaged over the batch.

    .. math:: L(p, g) = \sum_i |p_i - g_i|, \quad p_i = x_i^p / \sum_j x_j^p

    Args:
        preds: Shape ``(B, 1, H, W)``, non-negative, any scale.
        target: Ground-truth density of that shape, non-negative, any scale.

    Returns:
        A scalar in [0, 2]: 0 for proportional maps, 2 for maps without overlap.

    Example:
        >>> a = torch.tensor([1.0, 0.0, 0.0, 3.0]).reshape(1, 1, 2, 2)
        >>> normalized_l1(10 * a, a).item(), round(normalized_l1(a, 1 - a / 3).item(), 3)
        (0.0, 1.5)
    """
    return _mean((_as_distributions(preds) - _as_distributions(target)).abs().sum(dim=1), target)


def kl_div_cc(preds: Tensor, target: Tensor, *, cc_weight: float = 0.5) -> Tensor:
    r"""Compute the KL divergence of the target from the prediction plus ``cc_weight * (1 - CC)``, as a batch mean.

    Later saliency networks commonly use this loss (KLD with a CC term). Unlike that of the L1 loss, its gradient does
    not saturate where the prediction is far too low.

    Args:
        preds: Shape ``(B, 1, H, W)``, non-negative, any scale.
        target: Ground-truth density of that shape, non-negative, any scale.
        cc_weight: Weight of the correlation term, dimensionless.
    """
    p, g = _as_distributions(preds), _as_distributions(target)
    divergence = (g * torch.log(EPS + g / (p + EPS * EPS))).sum(dim=1)
    p, g = p - p.mean(dim=1, keepdim=True), g - g.mean(dim=1, keepdim=True)
    # the norms of normalised maps are of the order of 1e-3, so that the guard must be far smaller
    correlation = (p * g).sum(dim=1) / (p.norm(dim=1) * g.norm(dim=1) + EPS * EPS)
    return _mean(divergence + cc_weight * (1 - correlation), target)


def kl_div(preds: Tensor, target: Tensor) -> Tensor:
    r"""Compute the KL divergence of the target from the prediction, averaged over the batch: MSI-Net's training loss.

    .. math:: \sum_i g_i \log\Big(\epsilon + \frac{g_i}{\epsilon + p_i}\Big), \quad \epsilon = 10^{-7}

    Both maps are divided by their sum plus epsilon.

    Args:
        preds: Shape ``(B, 1, H, W)``, non-negative, any scale.
        target: Ground-truth density of that shape; its scale has little effect while its sum is far above epsilon.

    Example:
        >>> a = torch.tensor([1.0, 0.0, 0.0, 3.0]).reshape(1, 1, 2, 2)
        >>> abs(round(kl_div(10 * a, a).item(), 4)), round(kl_div(torch.ones(1, 1, 2, 2), a).item(), 4)
        (0.0, 0.824)
    """
    p, g = _as_distributions(preds), _as_distributions(target)
    return _mean((g * torch.log(EPS + g / (EPS + p))).sum(dim=1), target)


def kl_div_nss_cc(
    log_density: Tensor, target: Tensor, fixated: Tensor, *, nss_weight: float = 0.1, cc_weight: float = 0.1
) -> Tensor:
    r"""Compute the KL divergence minus weighted NSS and CC, averaged over the batch: UNISAL's training loss.

    .. math:: \sum_i g_i (\log g_i - \log p_i) - w_{NSS} \mathrm{NSS}(p) - w_{CC} \mathrm{CC}(p, g)

    The NSS uses the standard deviation with N - 1. An image without fixations has the constant NSS 1, which has no
    gradient (facts: NETWORKS.md 15 and its training code).

    Args:
        log_density: Natural logarithms of predicted densities, ``(B, 1, H, W)``; the exponentials of each map sum to 1.
        target: Ground-truth densities of that shape, any scale.
        fixated: Mask of the fixated pixels, boolean, of that shape.
        nss_weight: Weight of the NSS, dimensionless; 0 in the fine-tuning on MIT1003.
        cc_weight: Weight of the correlation, dimensionless.

    Example:
        >>> p = torch.tensor([0.1, 0.2, 0.3, 0.4]).reshape(1, 1, 2, 2)
        >>> round(kl_div_nss_cc(p.log(), p, p > 0.35).item(), 4)  # 0 - 0.1 * 1.1619 - 0.1
        -0.2162
    """
    log_p, fixated = log_density.flatten(1), fixated.flatten(1)
    mass = target.flatten(1).sum(dim=1, keepdim=True)
    p, g = log_p.exp(), target.flatten(1) / torch.where(mass > 0, mass, 1)
    divergence = (torch.xlogy(g, g) - g * log_p).sum(dim=1)
    deviations = p - p.mean(dim=1, keepdim=True)
    count = fixated.sum(dim=1)
    fixated_mean = (deviations * fixated).sum(dim=1) / count.clamp(min=1)
    nss = torch.where(count > 0, fixated_mean / p.std(dim=1), 1.0)
    g = g - g.mean(dim=1, keepdim=True)
    cc = (deviations * g).sum(dim=1) / (deviations.norm(dim=1) * g.norm(dim=1) + EPS * EPS)
    return _mean(divergence - nss_weight * nss - cc_weight * cc, target)

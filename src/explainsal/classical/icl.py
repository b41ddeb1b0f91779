"""Incremental coding length (Hou & Zhang, NIPS 2008)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.matlab import blur, imresize, min_max

PATCH = 8
_OPPONENT = ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (1.0, 1.0, -2.0))


class ICL(ClassicalModel):
    """Energy allocation to rare features, i.e. those whose use raises the entropy of all features.

    The author's basis was learned by ICA and has no licence, so it is not included; any basis can be passed. The
    default needs no training: the 8x8 cosine transform of opponent colors (CC 0.90 with the author's maps).

    Args:
        basis: Filters ``(F, 192)`` on patches of 8x8x3; rows vary fastest, then columns, then colors.
        size: Height and width to which images are resized, regardless of their aspect ratio.
        smooth: Whether to apply the author's last step, a square and a blur; otherwise the map is the overlapped
            energy.

    Raises:
        ValueError: If `basis` has another shape.

    Example:
        >>> images = torch.full((1, 3, 80, 120), 0.5)
        >>> images[..., 30:36, 80:86] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        >>> row, column = divmod(ICL()(images).argmax().item(), 120)
        >>> 25 <= row < 41, 75 <= column < 91
        (True, True)
    """

    basis: Tensor

    def __init__(self, basis: Tensor | None = None, *, size: tuple[int, int] = (80, 120), smooth: bool = True) -> None:
        super().__init__()
        filters = opponent_cosines() if basis is None else basis.to(torch.float64)
        if filters.ndim != 2 or filters.shape[1] != 3 * PATCH**2:
            raise ValueError(f"basis must have shape (F, {3 * PATCH**2}), got {tuple(filters.shape)}")
        self.register_buffer("basis", filters, persistent=False)
        self.size = size
        self.smooth = smooth

    def saliency(self, images: Tensor) -> Tensor:
        """Return the map at ``size``."""
        energy = self.patch_energy(imresize(images, self.size))
        ones = torch.ones(1, 1, PATCH, PATCH, dtype=energy.dtype, device=energy.device)
        overlapped = F.conv_transpose2d(energy[:, None], ones).squeeze(1)  # each pixel: sum over its patches
        maps = min_max(overlapped.square())
        return blur(maps.square(), PATCH, float(PATCH)) if self.smooth else maps

    def patch_energy(self, images: Tensor) -> Tensor:
        """Return the energy of the 8x8 patch at each position, ``(B, h - 7, w - 7)``, of images ``(B, 3, h, w)``."""
        # (F, column, row) filters on (color, row, column) images
        filters = self.basis.reshape(-1, 3, PATCH, PATCH).transpose(2, 3).to(images)
        patches = F.unfold(images, PATCH)  # (B, 192, patches): color, row, column
        response = (filters.reshape(len(filters), -1) @ patches).abs()  # (B, F, patches)
        energy = (weights(response.sum(dim=2))[:, None] @ response).squeeze(1)
        return energy.reshape(len(images), int(images.shape[2]) - PATCH + 1, int(images.shape[3]) - PATCH + 1)


def weights(activity: Tensor) -> Tensor:
    """Return the share of each feature ``(B, F)``: its positive incremental coding length, normalized."""
    total = activity.sum(dim=1, keepdim=True)
    share = activity / torch.where(total == 0, 1.0, total)
    log = torch.where(share > 0, share, 1.0).log2()
    entropy = -(share * log).sum(dim=1, keepdim=True)
    gain = torch.where(share > 0, -entropy - log - share - share * log, 0.0).clamp(min=0)
    positive = gain.sum(dim=1, keepdim=True)
    return gain / torch.where(positive == 0, 1.0, positive)


def opponent_cosines() -> Tensor:
    """Return orthonormal 8x8 cosines of luminance, red-green and yellow-blue: ``(192, 192)``, patches as in `ICL`."""
    frequency = torch.arange(PATCH, dtype=torch.float64)[:, None]
    sample = torch.arange(PATCH, dtype=torch.float64)
    cosine = torch.cos(math.pi / PATCH * (sample + 0.5) * frequency) * math.sqrt(2 / PATCH)
    cosine[0] /= math.sqrt(2)
    color = F.normalize(torch.tensor(_OPPONENT, dtype=torch.float64), dim=1)
    return torch.einsum("kc,ij,mn->kimcjn", color, cosine, cosine).reshape(3 * PATCH**2, 3 * PATCH**2)

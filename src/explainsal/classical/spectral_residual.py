"""Spectral residual (Hou & Zhang, CVPR 2007)."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.matlab import blur, imfilter, imresize, min_max, round_half_away

GRAY = (0.298936021293776, 0.587043074451121, 0.114020904255103)
"""Weights of MATLAB's rgb2gray: the first row of the inverse of the NTSC matrix."""


class SpectralResidual(ClassicalModel):
    """Residual of the log amplitude spectrum after subtraction of its local mean, transformed back into an image.

    Args:
        width: Width in pixels of the small gray image that is transformed; the aspect ratio is kept.
        sigma: Sigma of the final blur, a kernel of 10x10 samples, in pixels of the small image; 0 skips the blur.

    Example:
        >>> images = torch.full((1, 3, 48, 64), 0.5)
        >>> images += 0.1 * torch.sin(torch.arange(64) * 0.8)
        >>> images[..., 20:24, 30:34] = 1
        >>> row, column = divmod(SpectralResidual()(images).argmax().item(), 64)
        >>> 18 <= row < 26, 28 <= column < 36
        (True, True)
    """

    def __init__(self, width: int = 64, sigma: float = 2.5) -> None:
        super().__init__()
        self.width = width
        self.sigma = sigma

    def saliency(self, images: Tensor) -> Tensor:
        """Return the map of the small image, 0..1; without blur the squared residual in its own scale."""
        gray = (images * torch.tensor(GRAY).to(images)[:, None, None]).sum(dim=1)
        gray = round_half_away(gray * 255) / 255  # the original works on 8-bit gray images
        spectrum = torch.fft.fft2(imresize(gray, self.width / int(images.shape[-1])))
        amplitude = spectrum.abs()
        silent = amplitude == 0
        log = torch.where(silent, 1.0, amplitude).log()
        residual = log - imfilter(log, torch.full((3, 3), 1 / 9, dtype=log.dtype), "replicate")
        phase = torch.where(silent, 0.0, spectrum / torch.where(silent, 1.0, amplitude))
        maps = torch.fft.ifft2(residual.exp() * phase).abs().square()
        return min_max(blur(maps, 10, self.sigma)) if self.sigma else maps

"""The bare network of UNISAL: frames to log-densities, with domain-specific modules.

The function is that of the published network, derived from its state dict and measured values. docs/decisions/0014
lists the differences. Shapes for images of H x W, multiples of 32, in the domain SALICON::

    cnn (MobileNetV2)      3 -> 1280          H/32 x W/32, and skips of 160 at 1/16, 64 at 1/8
    priors, post_cnn       1280 + 16 -> 256   H/32 x W/32      (then the recurrent unit, for videos)
    upsampling_1 and _2    256 + 128 -> 128   H/16 x W/16  ->  H/8 x W/8
    post_upsampling_2      128 + 64 -> 64     H/8 x W/8
    adaptation, smoothing  64 -> 1            H/8 x W/8    ->  H x W: pixels repeated, 41 x 41 convolution
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.functional.resize import resize_bilinear
from explainsal.models.named import named
from explainsal.models.unisal_folding import fold
from explainsal.models.unisal_parts import (
    DOMAINS,
    ConvGRU,
    DomainBatchNorm,
    InvertedResidual,
    MobileNetV2,
    Skip,
    Smoothing,
    initial_priors,
    pointwise,
    prior_maps,
    slow_norm,
)


class UNISAL(nn.Module):
    """Bare network: normalized RGB to log-densities of the same size.

    It loads upstream's state dict strictly. In a new network the encoder is untrained, like all other modules.

    Example:
        >>> net = UNISAL().eval()
        >>> net(torch.zeros(1, 2, 3, 64, 96), domain="DHF1K").shape
        torch.Size([1, 2, 1, 64, 96])
        >>> sum(p.numel() for p in net.parameters())
        3714872
    """

    def __init__(self) -> None:
        super().__init__()
        self.cnn = MobileNetV2()
        self.post_cnn = named(inv_res=InvertedResidual(1296, 256, expansion=1, norm=slow_norm))
        self.rnn = ConvGRU(256)
        self.post_rnn = nn.Sequential(pointwise(256, 256), DomainBatchNorm(256), nn.ReLU6(inplace=True))
        self.upsampling_1 = named(us1=nn.Sequential(_twice()))
        self.skip_2x = Skip(160, 320, 128)
        self.upsampling_2 = named(
            inv_res=InvertedResidual(384, 128, expansion=2, norm=DomainBatchNorm), us2=nn.Sequential(_twice())
        )
        self.skip_4x = Skip(64, 128, 64)
        self.post_upsampling_2 = named(inv_res=InvertedResidual(192, 64, expansion=2, norm=DomainBatchNorm))
        for domain in map(str.lower, DOMAINS):
            self.register_parameter(f"coarse_gaussians_{domain}", nn.Parameter(initial_priors()))
            self.add_module(f"adaptation_{domain}", nn.Sequential(pointwise(64, 1, bias=True)))
            self.add_module(f"smoothing_{domain}", Smoothing())

    def reset_parameters(self) -> None:
        """Reset the priors of all domains to their initial values; submodules initialize their own weights."""
        with torch.no_grad():
            for domain in self.domains:
                self.get_parameter(f"coarse_gaussians_{domain.lower()}").copy_(initial_priors())

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains with modules in this network: all of them, except in a copy for prediction."""
        return tuple(domain for domain in DOMAINS if hasattr(self, f"smoothing_{domain.lower()}"))

    def forward(
        self,
        x: Tensor,
        *,
        domain: str = "SALICON",
        static: bool | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Predict log-densities.

        Args:
            x: Shape ``(B, T, 3, H, W)``, clips of T frames, or ``(B, 3, H, W)``, images. RGB normalized by the mean and
                standard deviation of ImageNet; H and W are multiples of 32.
            domain: ``"DHF1K"``, ``"Hollywood"``, ``"UCFSports"`` or ``"SALICON"``.
            static: Whether to skip the recurrent unit. Default: for clips of a single frame.
            size: Height and width to enlarge to before the densities are normalized. Default: those of `x`.

        Returns:
            Natural logarithms of densities, ``(B, T, 1, *size)`` or ``(B, 1, *size)``; the density of each frame sums
            to 1.

        Raises:
            ValueError: If the domain is unknown, or a side is not a multiple of 32.
        """
        frames = x if x.ndim == 5 else x[:, None]
        self._enter(domain, frames)
        maps, _ = self._scores(frames, domain.lower(), static=frames.shape[1] == 1 if static is None else static)
        maps = resize_bilinear(maps, size) if size is not None else maps
        log_density = F.log_softmax(maps.flatten(1), dim=1).reshape(*frames.shape[:2], 1, *maps.shape[-2:])
        return log_density if x.ndim == 5 else log_density[:, 0]

    def following(self, x: Tensor, state: Tensor | None, *, domain: str) -> tuple[Tensor, Tensor]:
        """Return log-densities ``(B, T, 1, H, W)`` of the next frames of clips, and the recurrent unit's final state.

        Args:
            x: Shape ``(B, T, 3, H, W)``, see :meth:`forward`.
            state: Shape ``(B, 256, H/32, W/32)``, returned for the preceding frames. None: these frames are the first.
            domain: See :meth:`forward`.
        """
        self._enter(domain, x)
        maps, state = self._scores(x, domain.lower(), static=False, state=state)
        return F.log_softmax(maps.flatten(1), dim=1).reshape(*x.shape[:2], 1, *maps.shape[-2:]), cast(Tensor, state)

    def for_domain(self, domain: str) -> UNISAL:
        """Return a faster copy that predicts in one domain only; its layers differ from those of the published network.

        Normalizations are folded into convolutions, and the encoder skips positions that no later layer uses.
        """
        net = copy.deepcopy(self).eval()
        for other in set(net.domains) - {domain}:
            for part in ("coarse_gaussians", "adaptation", "smoothing"):
                delattr(net, f"{part}_{other.lower()}")
        fold(net, domain)
        net.cnn.stride_where_unseen()
        return net

    def _scores(
        self, frames: Tensor, domain: str, *, static: bool, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the last maps before normalization, ``(B * T, 1, H, W)``, and the recurrent unit's state if it ran."""
        coarse, middle, fine = self.cnn(frames.flatten(0, 1))
        middle, fine = self.skip_2x(middle), self.skip_4x(fine)
        priors = prior_maps(self.get_parameter(f"coarse_gaussians_{domain}"), (coarse.shape[-2], coarse.shape[-1]))
        x = self.post_cnn(torch.cat([coarse, priors.expand(coarse.shape[0], -1, -1, -1)], dim=1))
        if not static:
            states, state = self.rnn(x.unflatten(0, frames.shape[:2]), state)
            x = x + self.post_rnn(states.flatten(0, 1))
        x = self.upsampling_2(torch.cat([self.upsampling_1(x), middle], dim=1))
        x = self.post_upsampling_2(torch.cat([x, fine], dim=1))
        return self.get_submodule(f"smoothing_{domain}")(self.get_submodule(f"adaptation_{domain}")(x)), state

    def _enter(self, domain: str, frames: Tensor) -> None:
        """Check the input, and select the normalizations of the domain."""
        if domain not in self.domains:
            raise ValueError(f"unknown domain {domain!r}; this UNISAL knows {', '.join(self.domains)}")
        if frames.ndim != 5 or frames.shape[2] != 3 or any(side % 32 or not side for side in frames.shape[-2:]):
            raise ValueError(
                "expected (B, T, 3, H, W) or (B, 3, H, W) with sides that are multiples of 32, got a clip of shape "
                f"{tuple(frames.shape)}"
            )
        for module in self.modules():
            if isinstance(module, DomainBatchNorm):
                module.domain = domain


def _twice() -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

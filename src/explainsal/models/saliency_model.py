"""The contract of every model here: RGB images of any size in [0, 1] -> one non-negative map per image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from explainsal.errors import CorruptFileError
from explainsal.functional.images import as_unit_float, resize
from explainsal.models.weights import read_state_dict


class SaliencyModel(nn.Module):
    """A network together with its own pre- and post-processing, the same in training, evaluation and explanation.

    Args:
        net: The bare network; maps ``(B, 3, h, w)`` in its own input range to ``(B, 1, h, w)``.
        name: Name of the module in ``explainsal.models`` whose ``build`` makes it.
        options: The keyword arguments of that ``build``, plain values: they travel in checkpoints.
        input_size: Height and width that the images are resized to; None keeps the native size.
    """

    def __init__(
        self, net: nn.Module, *, name: str, options: Mapping[str, Any], input_size: tuple[int, int] | None
    ) -> None:
        super().__init__()
        self.net = net
        self.name = name
        self.options = dict(options)
        self.input_size = None if input_size is None else (int(input_size[0]), int(input_size[1]))

    def preprocess(self, images: Tensor) -> Tensor:
        """Stimuli ``(B, 3, H, W)`` (float in [0, 1] or uint8) to the network's input."""
        images = as_unit_float(images)
        return images if self.input_size is None else resize(images, self.input_size)

    def postprocess(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        """The network's output to a non-negative map ``(B, 1, *size)`` at the size of the stimuli."""
        return resize(output, size).clamp(min=0)

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency.

        Args:
            images: Shape ``(B, 3, H, W)``, RGB, float in [0, 1] or uint8; any size.

        Returns:
            Shape ``(B, 1, H, W)``, non-negative.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected RGB images of shape (B, 3, H, W), got {tuple(images.shape)}")
        return self.postprocess(self.net(self.preprocess(images)), (images.shape[-2], images.shape[-1]))

    def load_weights(self, path: str | Path) -> SaliencyModel:
        """Load a checkpoint of this project, or a bare state dict, strictly; nothing in the file is executed."""
        try:
            self.net.load_state_dict(read_state_dict(path))
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise CorruptFileError(f"{path} does not fit {self.name} with {self.options}: {first}") from error
        return self

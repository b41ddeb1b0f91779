"""Checks of a network's output: one map of finite numbers per image; the messages say how to wrap a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from explainsal.errors import ModelError


def one_map(output: Any, count: int, model: str = "the network") -> Tensor:
    """Reshape a network's output to one map per image.

    Args:
        output: What the network returned.
        count: Number of input images.
        model: The network's name, for the message.

    Returns:
        Shape ``(count, 1, H, W)``.

    Raises:
        ModelError: If the output has another form; the message names it and says how to wrap the network.

    Example:
        >>> one_map(torch.zeros(2, 5, 7), 2).shape
        torch.Size([2, 1, 5, 7])
    """
    if isinstance(output, Tensor) and output.ndim >= 3:
        height, width = output.shape[-2:]
        if output.numel() == count * height * width and height * width > 1:
            return output.reshape(count, 1, height, width)
    raise ModelError(
        f"{model} must return one map per image, (B, 1, H, W) or (B, H, W); for {_counted(count, 'image')} it returned "
        f"{_found(output, count)}"
    )


def check_finite(maps: Tensor, ids: Sequence[str], model: str = "the network") -> None:
    """Raise if maps contain NaN or infinity.

    Args:
        maps: Shape ``(B, ...)``.
        ids: A name per image.
        model: The network's name, for the message.

    Raises:
        ModelError: If a value is NaN or infinite; the message names the images.

    Example:
        >>> check_finite(torch.tensor([[0.0], [torch.nan]]), ["a.jpg", "b.jpg"], "mynetwork")
        Traceback (most recent call last):
        explainsal.errors.ModelError: mynetwork returned NaN or infinity for b.jpg: look at its weights and input range
    """
    bad = ~torch.isfinite(maps).flatten(1).all(1)
    if bool(bad.any()):
        named = [name for name, wrong in zip(ids, bad.tolist(), strict=True) if wrong]
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        raise ModelError(
            f"{model} returned NaN or infinity for {', '.join(named[:3])}{more}: look at its weights and input range"
        )


@contextmanager
def taking_rgb(model: str = "the network") -> Iterator[None]:
    """Replace the error of a network that takes another number of channels than 3 by one with instructions.

    Args:
        model: The network's name, for the message.

    Raises:
        ModelError: If the block fails because of the number of channels.
    """
    try:
        yield
    except RuntimeError as error:
        if "channels" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{model} does not take RGB images (B, 3, H, W): {reason}. Wrap it in a SaliencyModel whose preprocess "
            "makes its input from them, e.g. images.mean(1, keepdim=True) for grey"
        ) from error


def _found(output: Any, count: int) -> str:
    """Describe the output of a network and how to get a map from it."""
    if isinstance(output, Mapping):
        key = next((key for key, value in output.items() if isinstance(value, Tensor) and value.ndim >= 3), None)
        return f"a dictionary with {', '.join(map(repr, output)) or 'nothing'}. {_wrap(f'[{key!r}]')}"
    if isinstance(output, tuple | list):
        place = next((i for i, value in enumerate(output) if isinstance(value, Tensor) and value.ndim >= 3), 0)
        return f"a {type(output).__name__} of {len(output)}. {_wrap(f'[{place}]')}"
    if not isinstance(output, Tensor):
        return f"{type(output).__name__}. {_wrap('...')}"
    shape = f"a tensor {tuple(output.shape)}"
    if output.ndim == 4 and output.shape[0] == count and output.shape[1] > 1 and output.shape[2] * output.shape[3] > 1:
        return f"{shape}, {output.shape[1]} maps per image. {_wrap('[:, :1]')}"
    if output.ndim < 3 or output.shape[-1] * output.shape[-2] == 1:
        return f"{shape}, which holds numbers instead of maps: explain the part of the network that makes maps"
    return shape


def _wrap(pick: str) -> str:
    return f"Wrap it in a module whose forward returns net(images){pick}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"

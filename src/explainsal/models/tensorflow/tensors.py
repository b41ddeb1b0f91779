"""Shapes and tensors in TensorFlow's messages."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from explainsal.models.tensorflow.protobuf import Message

FLOAT = 1  # DT_FLOAT
_LARGEST = 2**28  # elements; ten times the largest network here


def shape_of(message: Message) -> tuple[int, ...]:
    """The sizes in a TensorShapeProto.

    Raises:
        ValueError: If one is unknown, or they are too large to be true.
    """
    shape = tuple(dim.number(1) for dim in message.messages(2))
    if len(shape) > 8 or any(side < 0 or side > _LARGEST for side in shape) or math.prod(shape) > _LARGEST:
        raise ValueError(f"no tensor has the shape {shape}")
    return shape


def as_array(data: bytes | memoryview, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Little-endian float32 of a shape.

    Raises:
        ValueError: If there are more or fewer bytes.
    """
    if len(data) != 4 * math.prod(shape):
        raise ValueError(f"{len(data)} bytes for a tensor of shape {shape}")
    return np.frombuffer(data, dtype="<f4").astype(np.float32).reshape(shape)


def tensor_of(message: Message) -> NDArray[np.float32]:
    """A TensorProto of 32-bit floats: as bytes, or as numbers, the last of which is repeated.

    Raises:
        ValueError: If it holds something else, or its bytes do not fill its shape.
    """
    if message.number(1) != FLOAT:
        raise ValueError(f"a weight has the type {message.number(1)}, not 32-bit floating point")
    shape = shape_of(message.message(2))
    if content := message.blob(4):
        return as_array(content, shape)
    values = np.frombuffer(message.fixed32(5), dtype="<f4").astype(np.float32)
    missing = math.prod(shape) - len(values)
    if missing < 0 or not len(values):
        raise ValueError(f"{len(values)} values for a tensor of shape {shape}")
    return np.concatenate([values, np.repeat(values[-1:], missing)]).reshape(shape)

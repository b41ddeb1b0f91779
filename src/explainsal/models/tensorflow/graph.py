"""Weights stored as constants of a graph: frozen GraphDefs, and SavedModels with frozen functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explainsal.errors import CorruptFileError
from explainsal.models.tensorflow.protobuf import Message

_USERS = {"kernel": "Conv2D", "bias": "BiasAdd"}  # operation whose second input is the variable
_PASSING = ("Identity", "Enter")
_FLOAT = 1  # DT_FLOAT
_LARGEST = 2**28  # elements; ten times the largest network here


def is_tensorflow(path: str | Path) -> bool:
    """Return whether a path names a TensorFlow graph rather than a torch file.

    Example:
        >>> is_tensorflow("model_salicon_cpu.pb"), is_tensorflow("outputs/best.ckpt")
        (True, False)
    """
    return source_file(path).suffix == ".pb"


def source_file(path: str | Path) -> Path:
    """Return the file that holds the graph: ``saved_model.pb`` of a SavedModel's folder, else the path itself."""
    return Path(path) / "saved_model.pb" if Path(path).is_dir() else Path(path)


def read_variables(path: str | Path, wanted: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Read the constants that replace variables, without executing anything in the file.

    A constant has its variable's name. Equal constants may have been merged into one; it is then found as the input of
    the convolution or addition that uses it.

    Args:
        path: A ``.pb`` file or the folder of a SavedModel.
        wanted: Names without ``:0``, e.g. ``"conv1/conv1_1/kernel"``.

    Returns:
        The variables that were found, in TensorFlow's layout.

    Raises:
        CorruptFileError: If the file is damaged or has another format.
    """
    source = source_file(path)
    try:
        nodes = _nodes(memoryview(source.read_bytes()))
        constants = {name: _constant(nodes, name) for name in wanted}
        return {name: _value(name, node) for name, node in constants.items() if node is not None}
    except (ValueError, OverflowError) as error:
        raise CorruptFileError(
            f"{source} cannot be read as a graph of TensorFlow: {error}. Copy it again and compare its checksum."
        ) from error


def _nodes(data: memoryview) -> dict[str, Message]:
    """Return all nodes by name, including those of library functions."""
    if not data:
        raise ValueError("the file is empty")
    saved_model = data[0] == 0x08  # field 1 is the schema's version number in a SavedModel, and a node in a GraphDef
    graphs = [meta.message(2) for meta in Message(data).messages(2)] if saved_model else [Message(data)]
    nodes = {}
    for graph in graphs:
        functions = graph.message(2).messages(1)
        for node in [n for function in functions for n in function.messages(3)] + graph.messages(1):
            nodes[node.text(1)] = node
    return nodes


def _constant(nodes: dict[str, Message], name: str) -> Message | None:
    """Return the constant that replaces a variable, or None."""
    node = nodes.get(name)
    if node is None:
        scope, _, last = name.rpartition("/")
        node = _input(nodes, nodes.get(f"{scope}/{_USERS.get(last, last)}"), 1)
    for _ in range(len(nodes)):
        if node is None or node.text(2) == "Const":
            return node
        node = _input(nodes, node, 0) if node.text(2) in _PASSING else None
    return None


def _input(nodes: dict[str, Message], node: Message | None, place: int) -> Message | None:
    """Return the node at an input; inputs are written ``name``, ``name:0`` or, in functions, ``name:output:0``."""
    inputs = [] if node is None else [str(blob, "utf-8").split(":")[0] for blob in node.blobs(3)]
    return nodes.get(inputs[place]) if place < len(inputs) else None


def _value(name: str, node: Message) -> NDArray[np.float32]:
    """Return a constant's tensor, stored as bytes, or as numbers of which the last is repeated."""
    attributes = {entry.text(1): entry for entry in node.messages(5)}
    if "value" not in attributes:
        raise ValueError(f"the constant {name} has no value")
    tensor = attributes["value"].message(2).message(8)
    if tensor.number(1) != _FLOAT:
        raise ValueError(f"{name} has the type {tensor.number(1)}, not 32-bit floating point")
    shape = tuple(side.number(1) for side in tensor.message(2).messages(2))
    if len(shape) > 8 or any(not 0 <= side <= _LARGEST for side in shape) or math.prod(shape) > _LARGEST:
        raise ValueError(f"invalid tensor shape {shape}")
    content = tensor.blob(4) or tensor.fixed32(5)
    values = np.frombuffer(content, dtype="<f4").astype(np.float32)
    missing = math.prod(shape) - len(values)
    if missing < 0 or not len(values) or (missing and len(tensor.blob(4))):
        raise ValueError(f"{len(values)} values for a tensor of shape {shape}")
    return np.concatenate([values, np.repeat(values[-1:], missing)]).reshape(shape)

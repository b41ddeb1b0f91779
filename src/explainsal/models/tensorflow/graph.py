"""Weights that are constants of a graph: frozen GraphDefs, and SavedModels whose functions were frozen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explainsal.models.tensorflow.protobuf import Message
from explainsal.models.tensorflow.tensors import tensor_of

_USERS = {"kernel": "Conv2D", "bias": "BiasAdd"}  # operation whose second input a variable is
_PASSING = ("Identity", "Enter")


def graph_constants(data: memoryview, wanted: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The constants of a frozen graph, GraphDef or SavedModel, that stand for variables.

    A constant has its variable's name; equal ones may have been merged into one, which is then found as the input of
    the convolution or addition that uses it.

    Args:
        data: The file.
        wanted: Names of variables.

    Returns:
        Those that are there.

    Raises:
        ValueError: If this is no such file.
    """
    nodes = _nodes(data)
    found = {}
    for name in wanted:
        node = _constant(nodes, name)
        if node is not None:
            attributes = {entry.text(1): entry for entry in node.messages(5)}
            if "value" not in attributes:
                raise ValueError(f"the constant {name} has no value")
            found[name] = tensor_of(attributes["value"].message(2).message(8))
    return found


def _nodes(data: memoryview) -> dict[str, Message]:
    """All nodes by name, those of a library's functions included."""
    if not data:
        raise ValueError("the file is empty")
    saved_model = data[0] == 0x08  # field 1 is a number there, the schema's version, and a node in a GraphDef
    graphs = [meta.message(2) for meta in Message(data).messages(2)] if saved_model else [Message(data)]
    nodes = {}
    for graph in graphs:
        functions = graph.message(2).messages(1)
        for node in [n for function in functions for n in function.messages(3)] + graph.messages(1):
            nodes[node.text(1)] = node
    return nodes


def _constant(nodes: dict[str, Message], name: str) -> Message | None:
    """The constant that stands for a variable."""
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
    """The node that feeds one; inputs are written ``name``, ``name:0`` or, in functions, ``name:output:0``."""
    inputs = [] if node is None else [str(blob, "utf-8").split(":")[0] for blob in node.blobs(3)]
    return nodes.get(inputs[place]) if place < len(inputs) else None

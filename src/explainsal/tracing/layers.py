"""Layers of a network as data: the calls for one input size, in order, and the parents of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal

from torch import nn

from explainsal.errors import UserError

Kind = Literal["conv", "norm", "activation", "pool", "resize", "other", "block", "output"]

OUTPUT = "output"  # name of the network's own output, which is a layer if functional operations computed it
SELECTIONS = ("leaf", "conv", "block", "paper")  # kinds of layers; any other word is a pattern of names
_LISTED, _SIMILAR = 30, 5  # names in an error: all of so many layers, else a few
INPUT = "input"  # name of the image as a parent

_KINDS: tuple[tuple[Kind, tuple[type[nn.Module], ...]], ...] = (
    ("conv", (nn.modules.conv._ConvNd,)),
    ("norm", (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)),
    ("pool", (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd,
              nn.modules.pooling._AdaptiveMaxPoolNd, nn.modules.pooling._LPPoolNd)),
    ("resize", (nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle)),
)  # fmt: skip


@dataclass(frozen=True)
class NetworkLayer:
    """Single call of a module (or the network's output).

    Args:
        name: Dotted path of the module; the second call of a module is ``path:2``. See :func:`call_name`.
        type: Class of the module, e.g. ``"Conv2d"``.
        kind: Kind of operation; ``"block"`` for a module with submodules.
        shape: ``(A, H, W)`` of its activation maps, or the output's shape without the batch axis.
        parents: Names of the layers that feed it, in the order in which they ran; ``"input"`` is the image. In a
            selection these are the nearest selected layers, across all layers in between.
        skipped: Reason why it is not explained; None if it is.
    """

    name: str
    type: str
    kind: Kind
    shape: tuple[int, ...]
    parents: tuple[str, ...]
    skipped: str | None = None


def call_name(path: str, time: int) -> str:
    """Return the name of a module's call: its path, followed by the number of the call unless it is the first.

    The first call of a module called ``input`` or ``output`` has its number as well, because these words refer to the
    image and to the network's own output.

    Example:
        >>> call_name("relu", 1), call_name("relu", 2), call_name("output", 1)
        ('relu', 'relu:2', 'output:1')
    """
    return path if time == 1 and path not in (INPUT, OUTPUT) else f"{path}:{time}"


def classify_module(module: nn.Module) -> Kind:
    """Return a module's kind of operation, from its class.

    Example:
        >>> classify_module(nn.Conv2d(1, 1, 1)), classify_module(nn.ReLU()), classify_module(nn.Sequential(nn.ReLU()))
        ('conv', 'activation', 'block')
    """
    for kind, classes in _KINDS:
        if isinstance(module, classes):
            return kind
    if type(module).__module__ == "torch.nn.modules.activation":
        return "activation"
    return "block" if any(True for _ in module.children()) else "other"


def is_leaf(module: nn.Module) -> bool:
    """Return whether a module is a single operation, without submodules."""
    return classify_module(module) != "block"


def select_layers(
    layers: Sequence[NetworkLayer], select: str | Sequence[str], final: str | None = None
) -> list[NetworkLayer]:
    """Mark the layers that are not selected as skipped, and set the nearest selected parents of the others.

    Args:
        layers: All calls in the order in which they ended, including composite modules.
        select: ``"leaf"``: every single operation. ``"conv"``: every convolution. ``"block"``: the innermost composite
            modules (except containers), and operations outside of them. ``"paper"``: as ``"leaf"``, but a
            normalization, and the activation after it, count as part of their convolution; this comes closest to the
            paper's 50, 75 and 30 layers (docs/decisions/0011). Any other value: one or several name patterns, like
            those of file names (``"decoder.*"``).
        final: Name of a layer that is always selected: the network's last map. Later layers are left out.

    Returns:
        All layers except composite ones that were not selected.

    Raises:
        UserError: If nothing is selected, or no layer that can be explained matches the patterns.
    """
    if final is not None:
        layers = layers[: 1 + next(i for i, layer in enumerate(layers) if layer.name == final)]
    names = _selected_names(layers, select)
    usable = [layer.name for layer in layers if layer.skipped is None]
    chosen = {name for name in usable if name in names or name == final}
    if not chosen or (select not in SELECTIONS and names.isdisjoint(usable)):
        single = [layer.name for layer in layers if layer.skipped is None and layer.kind != "block"]
        raise UserError(
            f"layers={select!r} selects nothing that can be explained; give {', '.join(SELECTIONS)}, or patterns of "
            f"{_some_of(single, select)}"
        )
    nearest: dict[str, tuple[str, ...]] = {INPUT: (INPUT,)}
    result = []
    for layer in layers:
        parents = tuple(dict.fromkeys(p for parent in layer.parents for p in nearest[parent]))
        nearest[layer.name] = (layer.name,) if layer.name in chosen else parents
        if layer.name in chosen:
            result.append(replace(layer, parents=parents))
        elif layer.kind != "block":
            reason = layer.skipped or f"not selected by layers={select!r}"
            result.append(replace(layer, parents=parents, skipped=reason))
    return result


def _some_of(names: Sequence[str], select: str | Sequence[str]) -> str:
    """Return the names, or of many those that resemble what was asked for, or else the first ones."""
    if len(names) <= _LISTED:
        return ", ".join(names)
    asked = [select] if isinstance(select, str) else select
    similar = list(dict.fromkeys(name for one in asked for name in get_close_matches(one, names, _SIMILAR)))
    return f"{len(names)} layers such as {', '.join(similar or names[:_SIMILAR])}; Explainer(net).layers() lists them"


def _selected_names(layers: Sequence[NetworkLayer], select: str | Sequence[str]) -> set[str]:
    if select == "leaf":
        return {layer.name for layer in layers if layer.kind != "block"}
    if select == "conv":
        return {layer.name for layer in layers if layer.kind == "conv"}
    if select == "block":
        return _innermost_blocks(layers)
    if select == "paper":
        return _paper_layers(layers)
    patterns = [select] if isinstance(select, str) else list(select)
    return {layer.name for layer in layers if any(fnmatchcase(layer.name, pattern) for pattern in patterns)}


def _innermost_blocks(layers: Sequence[NetworkLayer]) -> set[str]:
    containers = ("Sequential", "ModuleList", "ModuleDict")
    paths = {layer.name.split(":")[0] for layer in layers if layer.kind == "block" and layer.type not in containers}
    paths.discard("")
    inner = {path for path in paths if not any(other.startswith(f"{path}.") for other in paths)}
    return {
        layer.name
        for layer in layers
        if layer.name.split(":")[0] in inner
        or (layer.kind != "block" and not any(layer.name.startswith(f"{path}.") for path in inner))
    }


def _paper_layers(layers: Sequence[NetworkLayer]) -> set[str]:
    """Return single operations; convolution, norm and activation count once, under the name of the last one."""
    single = [layer for layer in layers if layer.kind != "block"]
    names: list[str] = []
    normalized = False
    for layer in single:
        if layer.kind == "norm" and names:
            names[-1], normalized = layer.name, True
            continue
        if layer.kind == "activation" and normalized:
            names[-1] = layer.name
        else:
            names.append(layer.name)
        normalized = False
    return set(names)

r"""Compute the influence of each pixel and map on the network's saliency map, as weights of the reconstruction.

A network's last step, from the last layer with its own weights to the saliency map, passes some pixels on and
suppresses others: with a softmax over the pixels, errors matter where the density is high, with a sigmoid where it is
not saturated. With :math:`z` the map of that layer and :math:`s` the saliency map, the sensitivity of a pixel :math:`p`
is

.. math:: d_p = \Bigl\lVert\, \Pi\, \frac{\partial s}{\partial z_p} \Bigr\rVert_1,

where :math:`\Pi` removes pure shifts and scalings of the map, which do not affect correlations. Every layer is then
rebuilt with the weights

.. math:: w_p = (1 - t) + t\, d_p / \bar d,

where :math:`d` is averaged to the layer's size and :math:`t` is the option ``output_weight``. A softmax gives the
predicted density itself, a linear last step equal weights.

The selection of a pool (``selection="coverage"``) also weights maps: with :math:`a_c` a map of any layer and
:math:`b` a checkerboard of signs, map :math:`c` has the influence

.. math:: v_c = \frac 1P \sum_p \Bigl| \frac{\partial\, (\Pi b \cdot s)}{\partial a_{cp}} (a_{cp} - \bar a_c) \Bigr|,

which to first order is the change of the saliency map if the map were constant, and the weight
:math:`(1 - t) + t\, v_c / \bar v`. Decision: docs/decisions/0029.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.functional.weighted import averaged_to
from explainsal.tracing.layers import OUTPUT, NetworkLayer, call_name

_CELL = 8  # side, in pixels of the last map, of squares with changes of one sign
_SQUARES = 6  # squares along the saliency map's longer side in the checkerboard for the influence of whole maps
_LEAST = 1e-6  # minimum weight, since maps are divided by its square root


class OutputWeights:
    """Pixel weights of every layer for one batch.

    Args:
        sensitivity: Sensitivity of each pixel by name of a layer of the last step, shape ``(B, 1, h, w)``,
            non-negative. The first one is also used for all layers before the last step.
        share: The option ``output_weight``, from 0 (equal weights) to 1.
        influence: Influence of each map by name of a layer, shape ``(B, A)``, non-negative.
    """

    def __init__(
        self, sensitivity: Mapping[str, Tensor], share: float, influence: Mapping[str, Tensor] | None = None
    ) -> None:
        self.sensitivity, self.share, self.influence = dict(sensitivity), share, dict(influence or {})
        self._first = next(iter(self.sensitivity))
        self._at: dict[tuple[str, tuple[int, int]], Tensor] = {}

    def source(self, layer: str) -> str:
        """Return the layer of the last step whose sensitivity gives the weights of a layer."""
        return layer if layer in self.sensitivity else self._first

    def at(self, layer: str, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
        """Return weights ``(B, 1, H * W)`` with mean 1 for a layer's maps.

        An image without sensitivity to a layer gets the weights of the first one, and weights 1 if it has none at all.
        """
        name = self.source(layer)
        if (name, size) not in self._at:
            relative: Any = 1.0
            for one in dict.fromkeys((self._first, name)):
                d = averaged_to(self.sensitivity[one].double(), size).flatten(-2)
                mean = d.mean(-1, keepdim=True)
                relative = torch.where(mean > 0, d / mean, relative)
            self._at[name, size] = ((1 - self.share) + self.share * relative).clamp_min_(_LEAST)
        return self._at[name, size].to(dtype)

    def of_maps(self, layer: str) -> Tensor | None:
        """Return weights ``(B, A)`` of mean 1 for the maps of a layer; None for a layer without derivatives.

        An image has equal weights if no map of the layer influences its saliency map.
        """
        if layer not in self.influence:
            return None
        influence = self.influence[layer].double()
        mean = influence.mean(1, keepdim=True)
        return (1 - self.share) + self.share * torch.where(mean > 0, influence / mean, 1.0)


def last_step(calls: Sequence[NetworkLayer], core: nn.Module) -> tuple[str, ...]:
    """Return the layers of the network's last step: the last one with its own weights, and all later ones.

    Args:
        calls: All calls of the network in execution order, including composite modules.
        core: The network.

    Returns:
        Names of the calls; empty if no module with weights returns maps on which the output depends.
    """
    single = [call.name for call in calls if call.skipped is None and call.kind != "block"]
    for position in reversed(range(len(single))):
        path = single[position].split(":")[0]
        if single[position] == OUTPUT:
            continue
        module = core if path == type(core).__name__ else core.get_submodule(path)
        if any(True for _ in module.parameters()):
            return tuple(single[position:])
    return ()


def output_influence(
    run: Callable[[], Tensor], core: nn.Module, calls: Sequence[str], last: Sequence[str], layers: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Compute the influence of pixels and of whole maps on the saliency map from one forward pass.

    Args:
        run: Function that runs the network on a batch and returns its saliency maps ``(B, 1, H, W)``.
        core: The module that contains the layers.
        calls: Names of all calls in execution order.
        last: Names of the calls of the last step, from :func:`last_step`.
        layers: Names of the calls whose maps are measured.

    Returns:
        The sensitivity :math:`d` by name of a layer of the last step, shape ``(B, 1, h, w)``, and the influence
        :math:`v` by name of a layer, shape ``(B, A)``, both non-negative. Layers without a derivative to the map are
        omitted; if the first layer of the last step has none, both are empty.
    """
    names = sorted({*last, *layers}, key=[*calls, OUTPUT].index)
    with torch.inference_mode(False), _derivable(core, names) as found:
        saliency = run()
        if last[0] not in found or not saliency.requires_grad:
            return {}, {}
        sensitivity = _sensitivity(saliency, {name: found[name] for name in last if name in found})
        influence = _influence(saliency, {name: found[name] for name in layers if name in found}) if layers else {}
    return sensitivity, influence


def _sensitivity(saliency: Tensor, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the sensitivity :math:`d` of the saliency map to each pixel of the layers of the last step.

    The sum of absolute changes over all pixels is computed from four signed sums: squares of equal sign on a
    checkerboard, and the board shifted by half a square along y, x or both. If the last step is local, or local except
    for a normalization, one of the four contains the whole effect of each pixel.
    """
    sizes = {name: torch.zeros_like(maps[:, :1]) for name, maps in found.items()}
    for board in _boards(next(iter(found.values())), saliency.detach()):
        for name, change in _derivatives(saliency, board, found).items():
            sizes[name] = torch.maximum(sizes[name], change.abs().sum(1, keepdim=True))
    return {name: _where_finite(size) for name, size in sizes.items()}


def _influence(saliency: Tensor, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the influence :math:`v` of each map, to first order, with six squares along the longer side."""
    size = saliency.shape[-2:]
    cell = max(1, -(-max(size) // _SQUARES))
    board = _unseen_removed(_board(size, (cell, cell), (0, 0), saliency.detach()), saliency.detach())
    changes = _derivatives(saliency, board, found)
    deviation = {name: maps.detach() - maps.detach().mean((-2, -1), keepdim=True) for name, maps in found.items()}
    return {name: _where_finite((changes[name] * deviation[name]).abs().mean((-2, -1))) for name in found}


def _derivatives(saliency: Tensor, board: Tensor, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the derivatives of the sum of `board * saliency` by name of the layer."""
    total = (saliency * board).sum()  # `grad_outputs=board` would import sympy, which takes .4 s
    changes = torch.autograd.grad(
        total, list(found.values()), retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return dict(zip(found, changes, strict=True))


def _where_finite(values: Tensor) -> Tensor:
    """Replace the values of every image with non-finite ones by 0."""
    finite = values.flatten(1).isfinite().all(1)
    return torch.where(finite.reshape(-1, *[1] * (values.ndim - 1)), values, 0)


@contextmanager
def _derivable(core: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Start derivatives at the first of these calls; yield the maps of the finished calls by name."""
    calls, found = Counter[str](), dict[str, Tensor]()
    before = torch.is_grad_enabled()

    def watcher(path: str) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def watch(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
            calls[path] += 1
            name = OUTPUT if path == OUTPUT else call_name(path, calls[path])
            if name == layers[0]:
                torch.set_grad_enabled(True)
                output = output.detach().clone().requires_grad_()
            if name not in layers or not output.requires_grad:
                return None
            found[name] = output
            return output.clone()  # later in-place operations change only a copy

        return watch

    paths = {OUTPUT if name == OUTPUT else name.split(":")[0] for name in layers}
    own = {type(core).__name__, OUTPUT}
    modules = {path: core if path in own else core.get_submodule(path) for path in paths}
    handles = [module.register_forward_hook(watcher(path)) for path, module in modules.items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        torch.set_grad_enabled(before)


@torch.no_grad()
def _boards(last: Tensor, saliency: Tensor) -> list[Tensor]:
    """Return four checkerboards of signs ``(B, 1, H, W)`` whose squares are some pixels of the last layer wide.

    They are orthogonal to shifts and scalings of the saliency maps.
    """
    size = last.shape[-2:]
    high, wide = (max(1, min(_CELL, side // 2)) for side in size)
    moves = [(down, across) for down in (0, high // 2) for across in (0, wide // 2)]
    boards = [_board(size, (high, wide), move, saliency) for move in moves]
    sized = [F.interpolate(board, size=saliency.shape[-2:], mode="nearest") for board in boards]
    return [_unseen_removed(board, saliency) for board in sized]


def _board(size: Sequence[int], cells: tuple[int, int], move: tuple[int, int], like: Tensor) -> Tensor:
    """Return a checkerboard of 1 and -1, ``(1, 1, H, W)``; size and shift of its squares are in pixels along y, x."""
    y, x = (
        (torch.arange(side, device=like.device) + by) // cell for side, cell, by in zip(size, cells, move, strict=True)
    )
    board: Tensor = 1 - 2 * ((y[:, None] + x) % 2)
    return board[None, None].to(like)


def _unseen_removed(board: Tensor, saliency: Tensor) -> Tensor:
    """Make a board orthogonal to shifts and scalings of the saliency maps: ``(B, 1, H, W)``."""
    centered = saliency - saliency.mean((-2, -1), keepdim=True)
    board = board - board.mean((-2, -1), keepdim=True)
    energy = centered.square().sum((-2, -1), keepdim=True)
    share = (board * centered).sum((-2, -1), keepdim=True) / energy
    return board - torch.where(energy > 0, share, 0) * centered

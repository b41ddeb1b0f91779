r"""Compute the influence of each pixel on the network's saliency map, as weights of the reconstruction.

A network's last step, from the last layer with its own weights to the saliency map, passes some pixels on and
suppresses others: with a softmax over the pixels, errors matter where the density is high, with a sigmoid where it is
not saturated. With :math:`z` the map of that layer and :math:`s` the saliency map, the sensitivity of a pixel :math:`p`
is

.. math:: d_p = \Bigl\lVert\, \Pi\, \frac{\partial s}{\partial z_p} \Bigr\rVert_1,

where :math:`\Pi` removes pure shifts and scalings of the map, which do not affect correlations. Every layer is then
rebuilt with the weights

.. math:: w_p = (1 - t) + t\, d_p / \bar d,

where :math:`d` is averaged to the layer's size and :math:`t` is the option ``output_weight``. A softmax gives the
predicted density itself, a linear last step equal weights. Decision: docs/decisions/0029.
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
_LEAST = 1e-6  # minimum weight, since maps are divided by its square root


class OutputWeights:
    """Pixel weights of every layer for one batch.

    Args:
        sensitivity: Sensitivity of each pixel by name of a layer of the last step, shape ``(B, 1, h, w)``,
            non-negative. The first one is also used for all layers before the last step.
        share: The option ``output_weight``, from 0 (equal weights) to 1.
    """

    def __init__(self, sensitivity: Mapping[str, Tensor], share: float) -> None:
        self.sensitivity, self.share = dict(sensitivity), share
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


def output_sensitivity(run: Callable[[], Tensor], core: nn.Module, layers: Sequence[str]) -> dict[str, Tensor]:
    """Compute the sensitivity :math:`d` of the saliency map to each pixel of the layers of the last step.

    The sum of absolute changes over all pixels is computed from four signed sums: squares of equal sign on a
    checkerboard, and the board shifted by half a square along y, x or both. If the last step is local, or local except
    for a normalization, one of the four contains the whole effect of each pixel.

    Args:
        run: Function that runs the network on a batch and returns its saliency maps ``(B, 1, H, W)``.
        core: The module that contains the layers.
        layers: Names of the calls, from :func:`last_step`.

    Returns:
        Sensitivity by name of a layer, shape ``(B, 1, h, w)``, non-negative. Layers without a derivative to the map are
        omitted; if the first layer has none, the result is empty.
    """
    with torch.inference_mode(False), _derivable(core, layers) as found:
        saliency = run()
        if layers[0] not in found or not saliency.requires_grad:
            return {}
        sizes = {name: torch.zeros_like(maps[:, :1]) for name, maps in found.items()}
        for board in _boards(found[layers[0]], saliency.detach()):
            changes = torch.autograd.grad(
                saliency, list(found.values()), board, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for name, change in zip(found, changes, strict=True):
                sizes[name] = torch.maximum(sizes[name], change.abs().sum(1, keepdim=True))
    alive = {name: size.flatten(1).isfinite().all(1)[:, None, None, None] for name, size in sizes.items()}
    sizes = {name: torch.where(alive[name], size, 0) for name, size in sizes.items()}
    return sizes


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
    cells = [max(1, min(_CELL, side // 2)) for side in size]
    rows, columns = (torch.arange(side, device=last.device) for side in size)
    boards = []
    for down in (0, cells[0] // 2):
        for across in (0, cells[1] // 2):
            y, x = (rows + down) // cells[0], (columns + across) // cells[1]
            board = 1 - 2 * ((y[:, None] + x) % 2)
            board = F.interpolate(board[None, None].to(saliency), size=saliency.shape[-2:], mode="nearest")
            boards.append(_unseen_removed(board, saliency))
    return boards


def _unseen_removed(board: Tensor, saliency: Tensor) -> Tensor:
    """Make a board orthogonal to shifts and scalings of the saliency maps: ``(B, 1, H, W)``."""
    centered = saliency - saliency.mean((-2, -1), keepdim=True)
    board = board - board.mean((-2, -1), keepdim=True)
    energy = centered.square().sum((-2, -1), keepdim=True)
    share = (board * centered).sum((-2, -1), keepdim=True) / energy
    return board - torch.where(energy > 0, share, 0) * centered

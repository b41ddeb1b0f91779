r"""How much each pixel counts for the network's saliency map: the weights of output-weighted reconstruction.

A network's last step, from the last layer with weights of its own to the saliency map, passes on some places and hides
others: a softmax over the pixels lets errors show where the density is, a sigmoid where it is not saturated. With
:math:`z` the map of that layer and :math:`s` the saliency map, the sensitivity of a place :math:`p` is

.. math:: d_p = \Bigl\lVert\, \Pi\, \frac{\partial s}{\partial z_p} \Bigr\rVert_1,

where :math:`\Pi` takes out of a change of the map what only shifts or scales it, which no correlation sees. Every layer
is then rebuilt with the weights

.. math:: w_p = (1 - t) + t\, d_p / \bar d,

where :math:`d` is averaged down to the layer's size and :math:`t` is the option ``output_weight``: a softmax gives the
predicted density itself, a linear last step gives equal weights. Decision: docs/decisions/0029.
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

_CELL = 8  # pixels of the last map: side of the squares in which all changes have one sign
_LEAST = 1e-6  # of a weight: a pixel of weight 0 could not be divided by its root


class OutputWeights:
    """The weights of the pixels of every layer, for one batch.

    Args:
        sensitivity: By name of a layer of the last step, shape ``(B, 1, h, w)``, non-negative: how much each place of
            it counts. The first one serves all layers before the last step, too.
        share: The option ``output_weight``, from 0 (all pixels alike) to 1.
    """

    def __init__(self, sensitivity: Mapping[str, Tensor], share: float) -> None:
        self.sensitivity, self.share = dict(sensitivity), share
        self._first = next(iter(self.sensitivity))
        self._at: dict[tuple[str, tuple[int, int]], Tensor] = {}

    def source(self, layer: str) -> str:
        """The layer of the last step whose sensitivity gives a layer its weights."""
        return layer if layer in self.sensitivity else self._first

    def at(self, layer: str, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
        """Weights ``(B, 1, H * W)`` of mean 1 for a layer's maps.

        An image without any sensitivity to a layer has the weights of the first one, and without any at all has 1.
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
    """The layers of the network's last step: the last one with weights of its own, and what runs after it.

    Args:
        calls: All calls of the network in their order, composite modules included.
        core: The network.

    Returns:
        Names of the calls; empty where no module with weights gives maps that the output depends on.
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
    """How much the saliency map depends on each place of the layers of the last step: :math:`d`.

    The sum over all pixels of the absolute changes is found from four sums with signs: squares of equal sign on a
    chess-board, and the board moved by half a square along y, x or both. A last step that is local, or local but for
    a normalization, shows every place its whole effect in one of the four.

    Args:
        run: Runs the network on a batch and returns its saliency maps ``(B, 1, H, W)``.
        core: The module that has the layers.
        layers: Names of the calls, as :func:`last_step` found them.

    Returns:
        By name of a layer, shape ``(B, 1, h, w)``, non-negative. Layers from which no derivative leads to the map are
        left out; where that holds of the first, all are.
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
    """Let derivatives begin at the first of these calls; yields the maps of those that have run, by name."""
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
            return output.clone()  # what changes the maps in place further on changes a copy

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
    """Four chess-boards of signs ``(B, 1, H, W)`` whose squares are some pixels of the last layer wide.

    They are made orthogonal to what only shifts or scales the saliency maps.
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
    """Make a board orthogonal to what only shifts or scales the saliency maps: ``(B, 1, H, W)``."""
    centered = saliency - saliency.mean((-2, -1), keepdim=True)
    board = board - board.mean((-2, -1), keepdim=True)
    energy = centered.square().sum((-2, -1), keepdim=True)
    share = (board * centered).sum((-2, -1), keepdim=True) / energy
    return board - torch.where(energy > 0, share, 0) * centered

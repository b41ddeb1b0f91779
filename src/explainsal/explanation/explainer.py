"""Rebuild a network's layers one after the other while it runs (the whole method, Section II-B)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import replace
from threading import Event, Lock
from typing import Any

import torch
from torch import Tensor, nn

from explainsal.explanation.chain import Chain, allowed_bytes, images_at_once
from explainsal.explanation.input_maps import input_maps
from explainsal.explanation.output_weights import OutputWeights, last_step, output_influence
from explainsal.explanation.presets import DEFAULT_PRESET, resolve_options
from explainsal.explanation.result import Explanation
from explainsal.functional.computing import independent_shares
from explainsal.functional.kernels.dispatch import share_among, threads_for_shares
from explainsal.functional.outputs import one_map
from explainsal.functional.placement import Placement
from explainsal.functional.resize import resize_bilinear
from explainsal.threads import usable_memory
from explainsal.tracing.capture import as_in_evaluation, same_calls, unwrapped, watch_layers
from explainsal.tracing.graph import trace_layers
from explainsal.tracing.layers import OUTPUT, NetworkLayer, select_layers


class Explainer:
    """Rebuilds every layer of a network from log-Gabor responses, down to an explainable saliency map.

    The network runs in evaluation mode without autocast, on its own device (images are moved there), and is restored
    afterwards, including the mode of each module. An image's result does not depend on the others in its batch. On a
    CPU every thread processes one image at a time with its own copy of the network, so that results are the same for
    any number of threads. On an accelerator as many images as fit the memory budget are processed together; there only
    the network's own rounding may depend on the batch size.

    A *dead* (constant) activation map has no correlation (NaN) and an infinite relative error, and only plain MAE
    selects it for a pool. A map with NaN or infinity is rebuilt as NaN, uses no candidates, is in no pool, and does not
    affect other maps or images.

    Args:
        net: Network from images ``(B, C, H, W)`` to one map per image. A module with its own pre-processing around
            a bare network ``.net`` (as :func:`explainsal.load_model` returns) is explained by the layers of that
            network.
        preset: ``"sparse"``, ``"normalized"`` or ``"paper"``; see :mod:`explainsal.explanation.presets`.
        options: Options that differ from the preset; None keeps the preset's value.

    Raises:
        ValueError: If the preset, an option or a value is unknown, or the network contains TorchScript.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        >>> out = Explainer(net, preset="sparse")(torch.rand(2, 3, 32, 48))
        >>> out.explainable_map.shape, [layer.name for layer in out.layers]
        (torch.Size([2, 1, 32, 48]), ['0', '1', '2'])
    """

    def __init__(self, net: nn.Module, preset: str = DEFAULT_PRESET, **options: Any) -> None:
        self.preset = preset
        self.options = resolve_options(preset, **options)
        self.net = unwrapped(net)
        self.core = _core(self.net)
        for name, part in self.net.named_modules():
            if isinstance(part, torch.jit.ScriptModule):
                raise ValueError(
                    f"{name or 'the network'} is TorchScript, which hides its layers: explain the nn.Module that it "
                    "was made from"
                )
        self._plans: dict[tuple[Any, ...], tuple[list[NetworkLayer], str]] = {}
        self._normalized: dict[tuple[Any, ...], bool] = {}  # whether the network normalizes its last map
        self._last_steps: dict[tuple[Any, ...], tuple[str, ...]] = {}
        self._calls: dict[tuple[Any, ...], list[str]] = {}  # calls of all modules, in the order of their ends

    def changed(self, net: nn.Module | None = None, **options: Any) -> Explainer:
        """Return an explainer with another network, or with some options changed."""
        other = Explainer(self.net if net is None else net, self.preset)
        other.options = replace(self.options, **options)
        return other

    def layers(self, size: tuple[int, int] = (288, 384), channels: int = 3) -> list[NetworkLayer]:
        """Return every layer of the network for images of a size, including skipped ones with the reason.

        Args:
            size: Height and width of the images, in pixels.
            channels: Channels of the images.
        """
        images = self._as_input(torch.zeros(1, channels, *size))
        with as_in_evaluation(self.net):
            return self._plan(images)[0]

    def __call__(
        self,
        images: Tensor,
        *,
        keep_maps: bool | int | Sequence[str] = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Explanation:
        """Explain a batch.

        Args:
            images: Shape ``(B, C, H, W)``, in the range that the network expects; values below 0 and above 1 are not
                clamped. 8-bit images are passed on unchanged, and are scaled to 0 to 1 for the input maps.
            keep_maps: Activations and reconstructions that stay in the result: all, those of the named layers, or, for
                a number, the first maps of each layer's pool. Otherwise only one layer's maps exist at a time.
            progress: Function called after every layer with the number of rebuilt layers and their total, summed over
                images that are not explained together.

        Returns:
            The explanation, on the network's device.

        Raises:
            ModelError: If the network does not return one map per image (raised before any layer is explained), or runs
                different layers for different images.
            ValueError: If the images have another shape.
        """
        images = self._as_input(images)
        with as_in_evaluation(self.net):
            step = images_at_once(self.options, self._plan(images)[0], images)
            if step > 1:
                self._check_each(images)
        return Explanation.joined(self.explain_each(images.split(step), keep_maps=keep_maps, progress=progress))

    def explain_each(
        self,
        batches: Sequence[Tensor],
        *,
        keep_maps: bool | int | Sequence[str] = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Explanation]:
        """Explain images or batches of any sizes: on a CPU as many at the same time as :attr:`side_by_side`.

        Arguments and errors are those of a call; each batch is explained together.
        """
        batches = [self._as_input(images) for images in batches]

        def explain(worker: Explainer, images: Tensor) -> Explanation:
            try:
                with as_in_evaluation(worker.net):
                    return worker._explain(images, keep_maps, report)
            except Exception:
                stopped.set()  # the other images end after their current layer
                raise

        stopped = Event()
        with as_in_evaluation(self.net), threads_for_shares():
            report = self._counter(progress, batches, stopped)
            try:
                return share_among(self._copies(min(self.side_by_side, len(batches))), explain, batches)
            except BaseException:  # an interruption of this thread
                stopped.set()
                raise

    @property
    def side_by_side(self) -> int:
        """Number of images or batches that :meth:`explain_each` explains at the same time.

        On a CPU these are as many as threads, if their memory budgets fit half of the machine's memory.
        """
        device = next((p.device for p in self.net.parameters()), torch.device("cpu"))
        fitting = usable_memory() // (2 * allowed_bytes(self.options, device))
        return max(1, min(independent_shares(device), fitting))

    def _copies(self, wanted: int) -> list[Explainer]:
        """Return explainers with their own copies of the network; only this one if it cannot be copied."""
        found = [self]
        for _ in range(1, wanted):
            other = copy(self)  # shares the layers found so far, which are known by name
            try:
                with torch.inference_mode(False):  # copies of weights need derivatives
                    other.net = deepcopy(self.net)
            except (RuntimeError, TypeError):
                return [self]
            other.core = _core(other.net)
            found.append(other)
        return found

    def output_weights(self, images: Tensor) -> OutputWeights | None:
        """Return the weights of each pixel of each layer for these images; None for equal weights.

        Weights are equal if the option ``output_weight`` is 0, or if no derivative leads from a layer with weights to
        the saliency map.

        Args:
            images: As for a call.
        """
        images = self._as_input(images)
        with as_in_evaluation(self.net):
            return self._weights(images)

    def _counter(
        self, progress: Callable[[int, int], None] | None, batches: Sequence[Tensor], stopped: Event
    ) -> Callable[[str], None]:
        """Find the layers of all batches, and return a function that counts reported layers and ends when stopped."""
        layers = [self._plan(images)[0] for images in batches]
        total = sum(layer.skipped is None for each in layers for layer in each)
        numbers, lock = itertools.count(1), Lock()

        def report(name: str) -> None:
            if stopped.is_set():
                raise InterruptedError(f"stopped after {name}, since another image failed or was interrupted")
            with lock:
                if progress is not None:
                    progress(next(numbers), total)

        return report

    def _explain(
        self, images: Tensor, keep_maps: bool | int | Sequence[str], report: Callable[[str], None]
    ) -> Explanation:
        layers, final = self._plan(images)
        place = self._placement(images)
        first_pool = input_maps(images, self.options.input_maps)
        chain = Chain(self.options, layers, first_pool, keep_maps, self._weights(images), report)
        with (
            same_calls(self.core, self._expected_calls(images)),
            self.core.register_forward_pre_hook(lambda module, args: chain.start(args[0], place)),
            watch_layers(self.core, chain.names, chain.rebuild),
        ):
            saliency = one_map(self.net(images.clone()), len(images))  # the network may change its input in place
        description = str(getattr(self.net, "description", ""))
        explained = chain.finish(final)
        explainable = self._as_saliency(images, explained, saliency)
        return Explanation(saliency, explainable, tuple(chain.done), self.preset, self.options, description)

    def _as_saliency(self, images: Tensor, explained: Tensor, saliency: Tensor) -> Tensor:
        """Convert the reconstruction of the last map to the units and the size of the saliency map.

        If the network itself normalizes its last map, it runs once more with the reconstruction in place of that map.
        """
        final, normalized = self._plan(images)[1], self._normalized[_form(images)]
        if normalized:
            with watch_layers(self.core, [final], lambda name, output: output.copy_(explained)):
                return one_map(self.net(images.clone()), len(images))
        place = self._placement(images)
        if place is not None:
            explained = place.scaled((explained.shape[-2], explained.shape[-1])).crop(explained)
        explainable = resize_bilinear(explained, (saliency.shape[-2], saliency.shape[-1]))
        finish = getattr(self.net, "finish", None)  # e.g. a softmax after the last explained layer
        return finish(explainable) if callable(finish) else explainable

    def _weights(self, images: Tensor) -> OutputWeights | None:
        layers = [layer.name for layer in self._plan(images)[0] if layer.skipped is None]
        last = self._last_steps[_form(images)]
        if self.options.output_weight == 0 or not last:
            return None

        def run() -> Tensor:
            return one_map(self.net(images.clone()), len(images))

        pooled = layers if self.options.selection == "coverage" else ()
        sensitivity, influence = output_influence(run, self.core, self._expected_calls(images), last, pooled)
        return OutputWeights(sensitivity, self.options.output_weight, influence) if sensitivity else None

    def _check_each(self, images: Tensor) -> None:
        """Raise if images run other layers alone than together, since results would then depend on the batch."""
        for image in images.split(1):
            with same_calls(self.core, self._expected_calls(images)):
                self.net(image.clone())

    def _placement(self, images: Tensor) -> Placement | None:
        """Return the position of the images in a padded network input, since padding is not explained."""
        placement = getattr(self.net, "placement", None)
        return placement((int(images.shape[-2]), int(images.shape[-1]))) if callable(placement) else None

    def _as_input(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or len(images) == 0:
            raise ValueError(f"images must have shape (B, C, H, W) with B of at least 1, got {tuple(images.shape)}")
        parameter = next((p for p in self.net.parameters() if p.is_floating_point()), None)
        if parameter is None:
            return images
        return images.to(parameter.device, parameter.dtype if images.is_floating_point() else None)

    def _expected_calls(self, images: Tensor) -> list[str]:
        """Return the module calls recorded for images of this form."""
        self._plan(images)
        return self._calls[_form(images)]

    def _plan(self, images: Tensor) -> tuple[list[NetworkLayer], str]:
        """Return the layers for images of this form, from one traced pass over the first image."""
        key = _form(images)
        if key not in self._plans:
            calls, final, self._normalized[key] = trace_layers(self.net, images[:1], self.core)
            self._calls[key] = [call.name for call in calls if call.name != OUTPUT]
            self._plans[key] = select_layers(calls, self.options.layers, final), final
            self._last_steps[key] = last_step(calls, self.core)
        return self._plans[key]


def _core(net: nn.Module) -> nn.Module:
    """Return the bare network inside a module with its own pre-processing, or else the module."""
    inner = getattr(net, "net", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) and hasattr(net, "preprocess") else net


def _form(images: Tensor) -> tuple[Any, ...]:
    """Return the properties of images that determine the layers: shape, dtype and device."""
    return tuple(images.shape[1:]), images.dtype, images.device

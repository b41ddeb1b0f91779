"""The method as a whole: rebuild a network's layers one after the other while it runs (Section II-B)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from explainsal.explanation.chain import Chain, images_at_once
from explainsal.explanation.input_maps import input_maps
from explainsal.explanation.output_weights import OutputWeights, last_step, map_influence, output_sensitivity
from explainsal.explanation.presets import resolve_options
from explainsal.explanation.result import Explanation
from explainsal.functional.outputs import one_map
from explainsal.functional.placement import Placement
from explainsal.functional.resize import resize_bilinear
from explainsal.tracing.capture import as_in_evaluation, same_calls, unwrapped, watch_layers
from explainsal.tracing.graph import trace_layers
from explainsal.tracing.layers import OUTPUT, NetworkLayer, select_layers


class Explainer:
    """Rebuilds every layer of a network from log-Gabor responses, down to an explainable saliency map.

    The network is run in evaluation mode without autocast, on its own device (images are moved there), and is left as
    it was found, each module in the mode that it was in. An image's result does not depend on the others in its batch:
    on a CPU the images go through one by one, on an accelerator as many together as fit the memory budget, where only
    the network's own rounding may depend on the size of the batch.

    A *dead* (constant) activation map has no correlation (NaN) and an infinite relative error, and gets into a pool by
    plain MAE alone. One with NaN or infinity is rebuilt as NaN, takes no candidates, is in no pool, and touches no
    other map and no other image.

    Args:
        net: Maps images ``(B, C, H, W)`` to one map per image. A module with its own pre-processing around a bare
            network ``.net`` (as :func:`explainsal.load_model` returns) is explained by the layers of that network.
        preset: ``"sparse"``, ``"normalized"`` or ``"paper"``; see :mod:`explainsal.explanation.presets`.
        options: Single choices that differ from the preset's; None keeps the preset's.

    Raises:
        ValueError: If the preset, an option or a value is unknown, or the network holds TorchScript.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        >>> out = Explainer(net, preset="sparse")(torch.rand(2, 3, 32, 48))
        >>> out.explainable_map.shape, [layer.name for layer in out.layers]
        (torch.Size([2, 1, 32, 48]), ['0', '1', '2'])
    """

    def __init__(self, net: nn.Module, preset: str = "sparse", **options: Any) -> None:
        self.preset = preset
        self.options = resolve_options(preset, **options)
        self.net = unwrapped(net)
        inner = getattr(self.net, "net", None)
        self.core = unwrapped(inner) if isinstance(inner, nn.Module) and hasattr(self.net, "preprocess") else self.net
        for name, part in self.net.named_modules():
            if isinstance(part, torch.jit.ScriptModule):
                raise ValueError(
                    f"{name or 'the network'} is TorchScript, which hides its layers: explain the nn.Module that it "
                    "was made from"
                )
        self._plans: dict[tuple[Any, ...], tuple[list[NetworkLayer], str]] = {}
        self._last_steps: dict[tuple[Any, ...], tuple[str, ...]] = {}
        self._calls: dict[tuple[Any, ...], list[str]] = {}  # of all modules, in the order in which they end

    def changed(self, net: nn.Module | None = None, **options: Any) -> Explainer:
        """The same explainer of another network, or with some options changed."""
        other = Explainer(self.net if net is None else net, self.preset)
        other.options = replace(self.options, **options)
        return other

    def layers(self, size: tuple[int, int] = (288, 384), channels: int = 3) -> list[NetworkLayer]:
        """Every layer of the network for images of a size, skipped ones with the reason.

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
            images: Shape ``(B, C, H, W)``, in the range that the network expects: below 0 and above 1 they are taken
                as they are, nothing is clamped. 8-bit images are passed on as they are, and count as 0 to 1 for the
                input maps.
            keep_maps: Which activations and reconstructions stay in the result: all, those of the layers named, or,
                as a number, the first so many maps of each layer's pool. Otherwise only one layer's exist at a time.
            progress: Called after every layer with the number of layers that are rebuilt, and of all that there are,
                those of images that are explained one after the other added up.

        Returns:
            The explanation, on the network's device.

        Raises:
            ModelError: If the network returns something else than one map per image, before any layer is explained, or
                runs other layers for one image than for another.
            ValueError: If the images have another shape.
        """
        images = self._as_input(images)
        with as_in_evaluation(self.net):
            step = images_at_once(self.options, self._plan(images)[0], images)
            if step > 1:
                self._check_each(images)
            starts = range(0, len(images), step)
            report = None if progress is None else self._counter(progress, images, len(starts))
            parts = [self._explain(images[i : i + step], keep_maps, report) for i in starts]
        return Explanation.joined(parts)

    def output_weights(self, images: Tensor) -> OutputWeights | None:
        """How much each pixel of each layer counts for these images; None where all count alike.

        That is so where the option ``output_weight`` is 0, and where no derivative leads from a layer with weights to
        the saliency map.

        Args:
            images: As for a call.
        """
        images = self._as_input(images)
        with as_in_evaluation(self.net):
            return self._weights(images)

    def _counter(self, progress: Callable[[int, int], None], images: Tensor, times: int) -> Callable[[str], None]:
        """Count layers as they are reported, when all of them are rebuilt so many times."""
        total = times * sum(layer.skipped is None for layer in self._plan(images)[0])
        numbers = itertools.count(1)
        return lambda name: progress(next(numbers), total)

    def _explain(
        self, images: Tensor, keep_maps: bool | int | Sequence[str], report: Callable[[str], None] | None = None
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
            saliency = one_map(self.net(images.clone()), len(images))  # a network may change its images in place
        explained = chain.finish(final)
        if place is not None:
            explained = place.scaled((explained.shape[-2], explained.shape[-1])).crop(explained)
        explainable = resize_bilinear(explained, (saliency.shape[-2], saliency.shape[-1]))
        finish = getattr(self.net, "finish", None)  # a softmax or a scaling after the last explained layer
        explainable = finish(explainable) if callable(finish) else explainable
        description = str(getattr(self.net, "description", ""))
        return Explanation(saliency, explainable, tuple(chain.done), self.preset, self.options, description)

    def _weights(self, images: Tensor) -> OutputWeights | None:
        layers = [layer.name for layer in self._plan(images)[0] if layer.skipped is None]
        last = self._last_steps[_form(images)]
        if self.options.output_weight == 0 or not last:
            return None

        def run() -> Tensor:
            return one_map(self.net(images.clone()), len(images))

        sensitivity = output_sensitivity(run, self.core, last)
        if not sensitivity:
            return None
        pooled = self.options.selection == "coverage"
        influence = map_influence(run, self.core, layers) if pooled else {}
        return OutputWeights(sensitivity, self.options.output_weight, influence)

    def _check_each(self, images: Tensor) -> None:
        """Refuse images that run other layers alone than together: their result would depend on the batch."""
        for image in images.split(1):
            with same_calls(self.core, self._expected_calls(images)):
                self.net(image.clone())

    def _placement(self, images: Tensor) -> Placement | None:
        """Where the images lie in the input of a network that pads them: its padding is no part of the explanation."""
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
        """The module calls that images of this form were seen to make."""
        self._plan(images)
        return self._calls[_form(images)]

    def _plan(self, images: Tensor) -> tuple[list[NetworkLayer], str]:
        """The layers for images of this form, from one traced pass over the first of them."""
        key = _form(images)
        if key not in self._plans:
            calls, final = trace_layers(self.net, images[:1], self.core)
            self._calls[key] = [call.name for call in calls if call.name != OUTPUT]
            self._plans[key] = select_layers(calls, self.options.layers, final), final
            self._last_steps[key] = last_step(calls, self.core)
        return self._plans[key]


def _form(images: Tensor) -> tuple[Any, ...]:
    """What the layers of a network depend on: the images' shape, dtype and device."""
    return tuple(images.shape[1:]), images.dtype, images.device

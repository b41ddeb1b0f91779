"""Layer-by-layer fit of the standalone model to a network, over any number of images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from explainsal.distillation.inputs import FitInputs, candidate_table, layer_outputs, network_input_size
from explainsal.distillation.moments import Moments
from explainsal.distillation.network import Standalone
from explainsal.distillation.options import DistillOptions
from explainsal.distillation.samples import Store
from explainsal.distillation.stage import CENTER, Stage
from explainsal.errors import UserError
from explainsal.explanation.explainer import Explainer
from explainsal.fetch.fingerprints import fingerprint
from explainsal.functional.images import as_unit_float, resize
from explainsal.tracing.layers import INPUT, OUTPUT, NetworkLayer

Samples = Callable[[], Iterable[tuple[Tensor, Tensor | None]]]
"""Function that starts an iteration over a data set: images ``(B, 3, H, W)`` and densities ``(B, H, W)``, if any."""


class Distillation:
    """A fit in progress; each stage is fitted on the actual output of the earlier stages.

    Args:
        net: Network, or a model with its own preprocessing. None fits the densities directly.
        samples: Iteration over the training images; it runs once per stage.
        count: Number of training images.
        input_size: ``(H, W)`` of the standalone model's input. None: the network's input size.
        store: Folder for values that every stage would recompute: the activations, the filtered images, the maps of
            finished stages. About 2 MB per image at 96 x 128. None: they are recomputed.

    Raises:
        UserError: If there are fewer images than coefficients per map.
    """

    def __init__(
        self,
        net: nn.Module | None,
        samples: Samples,
        count: int,
        options: DistillOptions,
        input_size: tuple[int, int] | None = None,
        store: Path | None = None,
    ) -> None:
        if count < options.terms:
            raise UserError(
                f"{options.terms} coefficients per map need at least {options.terms} training images, one each; there "
                f"are {count}. Give more images, or fewer coefficients: distill.terms={max(1, count)}"
            )
        self.samples, self.count, self.options, self.net = samples, count, options, net
        first = as_unit_float(next(iter(samples()))[0][:1])
        self.input_size = input_size or network_input_size(net, first)
        self.layers = self._layers((int(first.shape[-2]), int(first.shape[-1])))
        self.explained: dict[str, list[float]] = {}
        model = Standalone(options.bank, options.input_maps, self.input_size)
        self.inputs = FitInputs(net, self.layers, model, options, None if store is None else Store(store, count))

    @property
    def model(self) -> Standalone:
        """Model with the stages fitted so far."""
        return self.inputs.model

    @property
    def device(self) -> torch.device:
        """Device of the network and the fit."""
        return self.inputs.device

    @torch.no_grad()
    def deep_maps(self, samples: Samples, store: Store | None = None) -> Tensor:
        """Return the network's last maps ``(N, 1, h, w)`` of some images, at the size of the last stage.

        If a store is given, they are in its file.
        """
        assert self.net is not None
        name, made, start = self.layers[-1].name, [], 0
        size = self.inputs.stage_size(self.layers[-1])
        for images, _ in samples():
            maps = layer_outputs(self.net, as_unit_float(images).to(self.device), [name], last=name)[name]
            maps = resize(maps, size).cpu()
            if store is None:
                made.append(maps)
            else:
                store.put("deep", start, maps)
            start += len(images)
        return torch.cat(made) if store is None else store.whole("deep")

    @property
    def todo(self) -> list[NetworkLayer]:
        """Layers without a stage yet."""
        done = {stage.name for stage in self.model.stages}
        return [layer for layer in self.layers if layer.name not in done and layer.name not in self.explained]

    def resume(self, model: Standalone, explained: dict[str, list[float]]) -> None:
        """Continue from the finished stages of an interrupted fit."""
        self.inputs.model, self.explained = model.to(self.device), dict(explained)

    @torch.no_grad()
    def step(self, progress: Callable[[int], None] = lambda images: None) -> str:
        """Fit the next stage; return the layer's name. A layer without live maps gets no stage.

        Args:
            progress: Called with the number of images processed since the last call.

        Raises:
            UserError: If activations are not finite, or the network's last map never changes.
        """
        layer = self.todo[0]
        sources = self._sources(layer)
        stride = -(-max(self.inputs.stage_size(layer)) // self.options.samples_per_side)
        moments: Moments | None = None
        start = 0
        for images, density in self.samples():
            pixels = as_unit_float(images).to(self.device)
            candidates = self.inputs.candidates(sources, self.inputs.stage_size(layer), pixels, start)[
                ..., ::stride, ::stride
            ]
            target = self.inputs.target(layer, pixels, density, start)[..., ::stride, ::stride]
            if moments is None:
                moments = Moments(candidates.shape[1], target.shape[1], candidates.device)
            moments.add(candidates, target)
            start += len(images)
            progress(len(images))
        assert moments is not None
        self._finish(layer, sources, moments)
        return layer.name

    def fingerprint(self) -> str:
        """Return a hash of everything that distinguishes two fits, including the network's weights."""
        weights = hashlib.sha256()
        for values in self.net.state_dict().values() if self.net is not None else ():
            weights.update(values.detach().cpu().contiguous().numpy().tobytes())
        layers = [layer.name for layer in self.layers]
        return fingerprint([self.options.plain(), self.count, self.input_size, layers, weights.hexdigest()])

    def _finish(self, layer: NetworkLayer, sources: tuple[str, ...], moments: Moments) -> None:
        fit = moments.fit(self.options.terms, self.options.pool_size, nonnegative=self.options.nonnegative)
        self.explained[layer.name] = fit.explained.tolist()
        if not fit.kept:
            if layer is self.layers[-1]:
                raise UserError(
                    f"the network's last map ({layer.name}) is constant over all training images: there is nothing to "
                    "distill. Is this the trained network?"
                )
            return
        terms = moments.terms(fit, candidate_table(self.model, sources, self.options.bank, self.device))
        stage = Stage(layer.name, self.inputs.stage_size(layer), sources, fit.kept, terms, self.options.bank).to(
            self.device
        )
        self.model.add(stage)

    def _sources(self, layer: NetworkLayer) -> tuple[str, ...]:
        """Return a stage's sources: its parents' stages (all earlier ones if a parent has none), and the image."""
        done = [stage.name for stage in self.model.stages]
        parents = [name for name in layer.parents if name in done]
        missing = any(name not in (*done, INPUT) for name in layer.parents)
        names = dict.fromkeys([*(done if self.options.ancestors or missing else parents), INPUT])
        return (*names, CENTER) if self.options.center else tuple(names)

    def _layers(self, size: tuple[int, int]) -> list[NetworkLayer]:
        if self.net is None:
            return [NetworkLayer(OUTPUT, "Tensor", "output", (1, *self.input_size), (INPUT,))]
        select = self.options.layers or "leaf"
        every = [layer for layer in Explainer(self.net, layers=select).layers(size) if not layer.skipped]
        limit = self.options.largest_map if self.options.layers else 0
        small = [layer.name for layer in every[:-1] if max(layer.shape[1:]) <= limit]
        chosen = Explainer(self.net, layers=[*small, every[-1].name]).layers(size)
        return [layer for layer in chosen if not layer.skipped]

"""Gradient descent on the coefficients of a fit; the graph is fixed, and all coefficients change together."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.func import functional_call

from explainsal.distillation.network import Standalone
from explainsal.distillation.options import RefineOptions
from explainsal.distillation.samples import Store
from explainsal.functional.images import resize
from explainsal.functional.losses import kl_div_cc


def center_level(maps: Tensor, power: float) -> Tensor:
    """Return the map by which maps are divided to remove their common center bias, or a part of it.

    Args:
        maps: Shape ``(N, 1, h, w)`` or ``(N, h, w)``, non-negative.
        power: 0: a level of 1 everywhere; 1: the mean map.

    Returns:
        Shape ``(1, h, w)``: the mean map, in units of its own mean, raised to the power. It is symmetric about the
        vertical, because images may be mirrored. Values below a twentieth of the mean are raised to that.

    Example:
        >>> center_level(torch.tensor([[[0.0, 1.0, 5.0]]]), 1.0)
        tensor([[[1.2500, 0.5000, 1.2500]]])
    """
    mean = maps.float().mean(0).reshape(1, *maps.shape[-2:])
    mean = (mean + mean.flip(-1)) / 2
    level: Tensor = (mean / mean.mean().clamp_min(1e-30)).clamp_min(0.05) ** power
    return level


def refine(
    model: Standalone,
    images: Tensor,
    deep: Tensor | None,
    density: Tensor | None,
    options: RefineOptions,
    after_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
    store: Path | None = None,
) -> Standalone:
    """Refine in place; the result is deterministic for a seed on one machine.

    Args:
        images: Shape ``(N, 3, H, W)``, at the model's input size; may be on disk.
        deep: Shape ``(N, 1, h, w)``, the network's maps; None if ``options.deep`` is 0.
        density: Shape ``(N, h, w)``; None if ``options.fixations`` is 0.
        after_epoch: Called with the number of the epoch, from 1, and its mean loss, after the model is updated.
        store: Folder for the filtered images, which do not depend on the coefficients; about 5 MB per image at 96 x
            128. Each epoch then takes a quarter of the time. None: they are recomputed in every step.

    Returns:
        The model.
    """
    refinement = _Refinement(model, options, steps=options.epochs * math.ceil(len(images) / options.batch_size))
    responses = _StoredResponses(model, images, options.mirror, store)
    targets = [
        (weight, maps, center_level(maps, options.decenter))
        for weight, maps in ((options.deep, deep), (options.fixations, density))
        if weight > 0 and maps is not None
    ]
    for epoch in range(1, options.epochs + 1):
        generator = torch.Generator().manual_seed(options.seed * 10**4 + epoch)
        order = torch.randperm(len(images), generator=generator)
        flips = torch.rand(len(images), generator=generator) < 0.5
        losses = []
        for rows in order.split(options.batch_size):
            flip = flips[rows] & options.mirror
            wanted = [(weight, _take(maps, rows, flip) / level) for weight, maps, level in targets]
            losses.append(refinement.step(responses.take(rows, flip), wanted))
        refinement.write()
        after_epoch(epoch, sum(losses) / len(losses))
    return model


class _Refinement:
    """Optimizer with coefficients scaled to common units."""

    def __init__(self, model: Standalone, options: RefineOptions, steps: int) -> None:
        self.model, self.nonnegative = model, options.nonnegative
        self.base = {f"model.{name}": p.detach().clone() for name, p in model.named_parameters()}
        self.unit: dict[str, Tensor] = {}
        for number, stage in enumerate(model.stages):
            used = stage.source >= 0
            per = torch.where(used, stage.scale[:, None] / stage.spread.clamp_min(1e-12), 0)
            self.unit |= {f"model.parts.{number}.weight": per, f"model.parts.{number}.constant": stage.scale}
        self.change = {name: torch.zeros_like(value, requires_grad=True) for name, value in self.base.items()}
        self.optimizer = torch.optim.Adam(self.change.values(), lr=options.rate, betas=(0.9, 0.98))
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=max(1, steps))

    @property
    def values(self) -> dict[str, Tensor]:
        return {name: base + self.change[name] * self.unit[name] for name, base in self.base.items()}

    def step(self, responses: list[Tensor], targets: list[tuple[float, Tensor]]) -> float:
        maps = functional_call(_Saliency(self.model), self.values, (responses,)).clamp_min(0)
        loss = sum(
            weight * kl_div_cc(maps, resize(target.to(maps.device), (maps.shape[-2], maps.shape[-1])))
            for weight, target in targets
        )
        assert isinstance(loss, Tensor)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.change.values(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        if self.nonnegative:
            self._back_to_nonnegative()
        return float(loss.detach())

    def write(self) -> None:
        with torch.no_grad():
            for name, value in self.values.items():
                value = value.clamp_min(0) if self.nonnegative and name.endswith("weight") else value  # rounding
                self.model.get_parameter(name.removeprefix("model.")).copy_(value)

    @torch.no_grad()
    def _back_to_nonnegative(self) -> None:
        """Project weights that a step made negative to 0 (projected gradient descent)."""
        for name, change in self.change.items():
            if name.endswith("weight"):
                change.clamp_(min=-self.base[name] / self.unit[name].clamp_min(1e-30))


class _Saliency(torch.nn.Module):
    """Module whose forward pass is the part of the model that depends on the coefficients."""

    def __init__(self, model: Standalone) -> None:
        super().__init__()
        self.model = model

    def forward(self, responses: list[Tensor]) -> Tensor:
        return self.model.saliency(responses)


class _StoredResponses:
    """Original and mirrored images, filtered for each stage."""

    def __init__(self, model: Standalone, images: Tensor, mirror: bool, folder: Path | None) -> None:
        self.model, self.images = model, images
        self.device = next(model.parameters()).device
        self.store = None if folder is None else Store(folder, len(images) * (1 + mirror))
        if self.store is None:
            return
        for turn in range(1 + mirror):
            for rows in torch.arange(len(images)).split(8):
                for number, part in enumerate(self._seen(_take(images, rows, torch.full_like(rows, turn).bool()))):
                    self.store.put(str(number), turn * len(images) + int(rows[0]), part)

    def take(self, rows: Tensor, flip: Tensor) -> list[Tensor]:
        """Return the filtered images of each stage, ``(B, V, h, w)``."""
        if self.store is None:
            return self._seen(_take(self.images, rows, flip))
        places = rows + flip * len(self.images)
        return [self.store.rows(str(number), places).to(self.device) for number in range(len(self.model.stages))]

    def _seen(self, images: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return self.model.image_responses(images.float().to(self.device))


def _take(values: Tensor, rows: Tensor, flip: Tensor) -> Tensor:
    taken = values[rows].float()
    taken = taken[:, None] if taken.ndim == 3 else taken
    return torch.where(flip[:, None, None, None], taken.flip(-1), taken)

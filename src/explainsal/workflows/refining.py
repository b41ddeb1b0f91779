"""Refinement of a standalone model against a network's maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from torch import Tensor, nn

from explainsal.distillation import Distillation, RefineOptions, Standalone, refine
from explainsal.distillation.quality import mean_cc
from explainsal.distillation.refinement import center_level
from explainsal.distillation.samples import Store, StoredSamples


@dataclass(frozen=True, eq=False)
class Lessons:
    """Training data of a refinement: images with the network's maps.

    Args:
        samples: Images at the model's input size and their fixation densities.
        deep: The network's maps of the images, ``(N, 1, h, w)``.
    """

    samples: StoredSamples
    deep: Tensor


def make_lessons(fit: Distillation, samples: StoredSamples, work: Path) -> Lessons:
    """Return the images of a finished fit, with network maps at the fit's single input size."""
    deep = fit.deep_maps(samples.batches(8), Store(work, samples.count))
    return Lessons(samples.shrunk(fit.input_size, work), deep)


def refine_best(
    model: Standalone, train: Lessons, val: Lessons, options: RefineOptions, work: Path, progress: Progress
) -> None:
    """Refine the model in place and keep the epoch with the best mean CC on the validation images."""
    truth = options.fixations > 0
    density = train.samples.density if truth else None
    target = val.samples.density[:, None] if truth else val.deep
    target = target / center_level(train.samples.density if truth else train.deep, options.decenter)
    best, state = mean_cc(model, val.samples, target), _copied(model)
    task = progress.add_task("refining", total=options.epochs)

    def keep(epoch: int, loss: float) -> None:
        nonlocal best, state
        value = mean_cc(model, val.samples, target)
        progress.update(task, advance=1, description=f"refining: loss {loss:.3f}, validation CC {value:.3f}")
        if value > best:
            best, state = value, _copied(model)

    refine(model, train.samples.images, train.deep, density, options, keep, store=work / "responses")
    model.load_state_dict(state)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}

"""Refine a standalone model, and keep its best epoch."""

from __future__ import annotations

from pathlib import Path

from rich.progress import Progress
from torch import Tensor, nn

from explainsal.distillation import Distillation, RefineOptions, refine
from explainsal.distillation.quality import mean_cc
from explainsal.distillation.refinement import center_level
from explainsal.distillation.samples import Store, StoredSamples


def refine_best(
    fit: Distillation,
    train: StoredSamples,
    val: StoredSamples,
    options: RefineOptions,
    work: Path,
    progress: Progress,
) -> None:
    """Refine the model, and keep the epoch with the best CC on the validation images."""
    truth, size = options.fixations > 0, fit.input_size
    deep = fit.deep_maps(train.batches(8), Store(work / "train", train.count))
    target = val.density[:, None] if truth else fit.deep_maps(val.batches(8), Store(work / "val", val.count))
    target = target / center_level(train.density if truth else deep, options.decenter)
    train, val = train.shrunk(size, work / "train"), val.shrunk(size, work / "val")
    best, state = mean_cc(fit.model, val, target), _copied(fit.model)
    task = progress.add_task("refining", total=options.epochs)

    def keep(epoch: int, loss: float) -> None:
        nonlocal best, state
        value = mean_cc(fit.model, val, target)
        progress.update(task, advance=1, description=f"refining: loss {loss:.3f}, validation CC {value:.3f}")
        if value > best:
            best, state = value, _copied(fit.model)

    refine(fit.model, train.images, deep, train.density if truth else None, options, keep, store=work / "seen")
    fit.model.load_state_dict(state)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}

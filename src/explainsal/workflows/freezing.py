"""Write a learned graph as a standalone model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from explainsal.datamodules.base import SaliencyDataModule
from explainsal.distillation.file import save_standalone
from explainsal.distillation.freezing import freeze
from explainsal.distillation.graph import LearnedGraph
from explainsal.distillation.options import DistillOptions
from explainsal.distillation.quality import write_tables
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.workflows.distilling import FILE, FitOptions, end_run, mix_splits, network_name, single_batches
from explainsal.workflows.loading import describe
from explainsal.workflows.runs import RunFolder


def is_graph(model: SaliencyModel) -> bool:
    """Return whether a model is a learned graph, which has nothing to fit."""
    return isinstance(model.net, LearnedGraph)


def freeze_graph(
    model: SaliencyModel,
    sets: Mapping[str, SaliencyDataModule],
    run: RunFolder,
    options: FitOptions,
    null_model: str | None = None,
) -> Path:
    """Write a learned graph as a standalone model; the training images give the sizes of its terms.

    Args:
        model: Trained ``model=graph``.
        sets: See :func:`~.distilling.distill`.
        options: Only `images`, `seed` and the terms of a stage apply.
        null_model: Refused: a graph's null model is trained with ``model.shuffle``.

    Returns:
        The file of the standalone model.

    Raises:
        UserError: If the options ask for a fit, the graph is untrained, or its maps have too many terms.
    """
    graph = cast(LearnedGraph, model.net)
    if null_model is not None:
        raise UserError(f"null_model={null_model}: a graph's null model is trained, with model=graph model.shuffle=0")
    terms = options.stages.terms
    stages = DistillOptions(terms=terms)
    if options != FitOptions(stages, images=options.images, seed=options.seed, batch_size=options.batch_size):
        raise UserError(
            "a learned graph is written as it is: remove the options refine.*, resume and input_size, and those "
            "of distill except distill.terms"
        )
    if not model.trained or not bool(graph.calibrated):
        raise UserError("model=graph is untrained: give the checkpoint of a training, checkpoint=FILE")
    if graph.terms > terms:
        raise UserError(
            f"a map of this graph has up to {graph.terms:,} terms: the checkpoint was saved before the training had "
            f"dropped the others. Take its last checkpoint, or allow more terms: distill.terms={graph.terms}"
        )
    images, _ = mix_splits(sets, options.images)
    run.record(describe(model))
    frozen = freeze(graph.cpu(), (model.preprocess(batch) for batch, _ in single_batches(images)))
    note = {"images": len(images), "network": network_name(model), "seed": options.seed}
    save_standalone(frozen, run.folder / FILE, {"finished": True, **note})
    write_tables(frozen, None, run.folder / "explanation" / "standalone")
    return end_run(frozen, run)

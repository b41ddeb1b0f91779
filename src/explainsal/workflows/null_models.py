"""Measure null models for every explanation of a command: ``nulls=[shuffled_filters]`` of train, evaluate, explain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import pandas as pd
import torch
from rich.progress import Progress
from torch import nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.explanation.cascade import CASCADE, cascade_table
from explainsal.explanation.explainer import Explainer
from explainsal.explanation.fidelity import fidelity_rows
from explainsal.explanation.nulls import NULLS, null_explainer, require_drawable
from explainsal.explanation.per_layer import described
from explainsal.explanation.run import ExplanationRun
from explainsal.processes import first_only, gather, is_first, share
from explainsal.reporting.figures.cascade import cascade_text
from explainsal.reporting.nulls import null_caption, null_table
from explainsal.reporting.results.printing import print_table
from explainsal.workflows.batches import read_batches
from explainsal.workflows.loading import description

log = logging.getLogger(__name__)


def check_nulls(nulls: Collection[str], *, explains: bool = True, model: nn.Module | None = None) -> None:
    """Raise early if null models are unknown or cannot be measured.

    Args:
        nulls: Names of the null models.
        explains: Whether the command explains any image.
        model: The explained model; None if it is not built yet.

    Raises:
        UserError: If a name is unknown, nothing is explained, or a null model needs random weights that the model
            cannot draw.
    """
    known = (*NULLS, CASCADE)
    if unknown := set(nulls) - set(known):
        raise UserError(f"unknown null models: {', '.join(sorted(unknown))}; nulls=[...] takes {', '.join(known)}")
    if nulls and not explains:
        raise UserError("nulls=... need an explanation, but nothing is explained here: use nulls=[]")
    if model is not None and not {"untrained_network", CASCADE}.isdisjoint(nulls):
        require_drawable(model)


def write_nulls(
    nulls: Collection[str],
    model: nn.Module,
    dataset: SaliencyDataset,
    explanations: Sequence[ExplanationRun],
    *,
    limit: int | None = None,
    seed: int = 0,
    device: torch.device | None = None,
) -> None:
    """Write and print ``fidelity.csv``, which compares each explanation with null models at the same options.

    The null model ``cascade`` replaces the weights of more and more layers by random ones, and writes ``cascade.csv``.
    The processes of a distributed run share the images; every process must call this.

    Args:
        nulls: Names of the null models.
        dataset: The images; the first `limit` are used.
        explanations: Explanations of these images.
        limit: Number of images; None: all.
    """
    if not nulls:
        return
    device = device or next((p.device for p in model.parameters()), torch.device("cpu"))
    model.to(device)
    positions = share(min(limit or len(dataset), len(dataset)))
    for each in explanations:
        explainer = each.explainer_for(model)
        batches = partial(_read_with_progress, dataset, positions, each.batch_size, device)
        found = {null: _gather_rows(_measure(null, explainer, batches, seed, each.preset)) for null in nulls}
        _write(found, each, description(model))


def _gather_rows(mine: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the rows of all processes in the order of the images, or None if the null model failed in one of them."""
    parts = gather(mine)
    if any(rows is None for rows in parts):
        return None
    return (
        pd.concat([rows for rows in parts if rows is not None and len(rows)])
        .sort_values("position", kind="stable", ignore_index=True)
        .drop(columns="position")
    )


@first_only
def _write(found: dict[str, pd.DataFrame | None], run: ExplanationRun, label: str) -> None:
    cascade = found.pop(CASCADE, None)
    fidelity = _join_rows(run, [rows for rows in found.values() if rows is not None])
    _write_fidelity(fidelity, run, label)
    if cascade is not None:
        cascade = cascade.sort_values("step", kind="stable")
        described(cascade, label).to_csv(run.folder / "cascade.csv", index=False)
        print(cascade_text(cascade))


def _measure(
    null: str, explainer: Explainer, batches: Callable[[str], Iterator[SaliencyBatch]], seed: int, preset: str
) -> pd.DataFrame | None:
    """Return the rows of one null model, or None if it fails; other null models are unaffected."""
    try:
        variant = explainer if null == CASCADE else null_explainer(explainer, null, seed=seed)
        parts = []
        for batch in batches(f"{null} of {preset}"):
            if null == CASCADE:
                rows = cascade_table(explainer, batch.images, ids=batch.ids, seed=seed)
            else:
                measured = fidelity_rows(variant(batch.images), batch.ids, density=batch.density, variant=null)
                rows = pd.DataFrame(measured)
            positions = dict(zip(batch.ids, batch.index.tolist(), strict=True))
            parts.append(rows.assign(position=rows["image"].map(positions)))
        return pd.concat(parts) if parts else pd.DataFrame()
    except (ArithmeticError, RuntimeError, ValueError) as error:
        log.warning("the null model %s failed and is omitted: %s", null, error)
        return None


def _read_with_progress(
    dataset: SaliencyDataset, positions: Sequence[int], batch_size: int, device: torch.device, title: str
) -> Iterator[SaliencyBatch]:
    """Read batches, with a progress bar over the images of this process."""
    with Progress(disable=not is_first()) as bar:
        task = bar.add_task(title, total=len(positions))
        for batch in read_batches(dataset, positions, batch_size, device):
            yield batch
            bar.advance(task, len(batch.ids))


def _join_rows(run: ExplanationRun, nulls: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of an explanation and its null models, grouped by image."""
    explained = {row["image"]: row for row in run.rows}  # a distributed sampler may repeat an image
    order = {image: position for position, image in enumerate(nulls[0]["image"] if nulls else explained)}
    table = pd.concat([pd.DataFrame([explained[image] for image in order]), *nulls], ignore_index=True)
    return table.sort_values("image", key=lambda images: images.map(order), kind="stable", ignore_index=True)


def _write_fidelity(fidelity: pd.DataFrame, run: ExplanationRun, label: str) -> None:
    described(fidelity, label).to_csv(run.folder / "fidelity.csv", index=False)
    print(f"the preset {run.preset} and its null models:")
    table = null_table(fidelity)
    print_table(table, caption=null_caption(table))

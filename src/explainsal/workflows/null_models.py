"""Null models beside every explanation of a command: ``nulls=[shuffled_filters]`` of train, evaluate and explain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.progress import track
from torch import nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.explanation.cascade import CASCADE, cascade_table
from explainsal.explanation.fidelity import fidelity_rows
from explainsal.explanation.nulls import NULLS, null_explainer
from explainsal.explanation.per_layer import described
from explainsal.explanation.run import ExplanationRun
from explainsal.reporting.figures.cascade import cascade_text
from explainsal.reporting.nulls import null_caption, null_table
from explainsal.reporting.results.printing import print_table
from explainsal.workflows.loading import description


def check_nulls(nulls: Collection[str], *, explains: bool = True) -> None:
    """Refuse null models that do not exist, or of no explanation, before anything else is done.

    Args:
        nulls: Their names.
        explains: Whether anything is explained.

    Raises:
        UserError: If a name is unknown, or there is nothing to stand beside.
    """
    known = (*NULLS, CASCADE)
    if unknown := set(nulls) - set(known):
        raise UserError(f"unknown null models: {', '.join(sorted(unknown))}; nulls=[...] takes {', '.join(known)}")
    if nulls and not explains:
        raise UserError("nulls=... stand beside an explanation, and nothing is explained here: nulls=[]")


@rank_zero_only
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
    """Write and print ``fidelity.csv``: each explanation beside null models with the same options.

    With the cascade among them ``cascade.csv`` is written, too.

    Args:
        nulls: Names of the null models.
        model: The model that is explained.
        dataset: Its images, of which the first `limit` are used.
        explanations: Each has explained these images.
        limit: Number of images; None: all.
        seed: Of the null models.
        device: Where to compute; None: where the model is.
    """
    if not nulls:
        return
    device = device or next((p.device for p in model.parameters()), torch.device("cpu"))
    model.to(device)
    count = min(limit or len(dataset), len(dataset))
    for each in explanations:
        own = each.explainer_for(model)
        variants = {null: null_explainer(own, null, seed=seed) for null in nulls if null != CASCADE}
        explained = {row["image"]: row for row in each.rows}  # a distributed sampler may repeat an image
        rows: list[dict[str, Any]] = []
        cascades = []
        for index in track(range(count), description=f"null models of {each.preset}"):
            batch = SaliencyBatch.collate([dataset[index]]).to(device)
            rows.append(explained[batch.ids[0]])
            for null, variant in variants.items():
                rows += fidelity_rows(variant(batch.images), batch.ids, density=batch.density, variant=null)
            if CASCADE in nulls:
                cascades.append(cascade_table(own, batch.images, ids=batch.ids, seed=seed))
        _write_fidelity(pd.DataFrame(rows), each, description(model))
        if cascades:
            cascade = pd.concat(cascades).sort_values("step", kind="stable")
            described(cascade, description(model)).to_csv(each.folder / "cascade.csv", index=False)
            print(cascade_text(cascade))


def _write_fidelity(fidelity: pd.DataFrame, run: ExplanationRun, label: str) -> None:
    described(fidelity, label).to_csv(run.folder / "fidelity.csv", index=False)
    print(f"the preset {run.preset} beside its null models:")
    table = null_table(fidelity)
    print_table(table, caption=null_caption(table))

"""Null models beside every explanation of a command: ``nulls=[shuffled_filters]`` of train, evaluate and explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig
from rich.progress import track
from torch import nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.explanation.cascade import CASCADE, cascade_table
from explainsal.explanation.fidelity import fidelity_rows
from explainsal.explanation.nulls import NULLS, null_explainer
from explainsal.explanation.run import ExplanationRun
from explainsal.explanation.tables import described
from explainsal.reporting.figures.cascade import cascade_text
from explainsal.reporting.nulls import null_caption, null_table
from explainsal.reporting.tables import print_table
from explainsal.workflows.loading import description


def check_nulls(cfg: DictConfig, *, explains: bool = True) -> None:
    """Refuse null models that do not exist, or of no explanation, before anything else is done.

    Args:
        cfg: The command's options; ``cfg.nulls`` are the names.
        explains: Whether the command explains anything.

    Raises:
        UserError: If a name is unknown, or there is nothing to stand beside.
    """
    known = (*NULLS, CASCADE)
    if unknown := set(cfg.nulls) - set(known):
        raise UserError(f"unknown null models: {', '.join(sorted(unknown))}; nulls=[...] takes {', '.join(known)}")
    if cfg.nulls and not explains:
        raise UserError("nulls=... stand beside an explanation, and nothing is explained here: nulls=[]")


@rank_zero_only
def write_nulls(cfg: DictConfig, model: nn.Module, dataset: SaliencyDataset, runs: Sequence[ExplanationRun]) -> None:
    """Write and print ``fidelity.csv``: each explanation beside the null models ``cfg.nulls``, configured alike.

    Where these hold the cascade, ``cascade.csv``, too.

    Args:
        cfg: The command's options.
        model: What is explained.
        dataset: Its images, of which the first ``evaluation.explain_images`` are.
        runs: Each has explained these images.
    """
    if not cfg.nulls:
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    count = min(cfg.evaluation.explain_images or len(dataset), len(dataset))
    for run in runs:
        own = run.explainer_for(model)
        nulls = {null: null_explainer(own, null, seed=cfg.seed) for null in cfg.nulls if null != CASCADE}
        explained = {row["image"]: row for row in run.rows}  # a distributed sampler may repeat an image
        rows: list[dict[str, Any]] = []
        cascades = []
        for index in track(range(count), description=f"null models of {run.preset}"):
            batch = SaliencyBatch.collate([dataset[index]]).to(device)
            rows.append(explained[batch.ids[0]])
            for null, variant in nulls.items():
                rows += fidelity_rows(variant(batch.images), batch.ids, density=batch.density, variant=null)
            if CASCADE in cfg.nulls:
                cascades.append(cascade_table(own, batch.images, ids=batch.ids, seed=cfg.seed))
        fidelity = pd.DataFrame(rows)
        described(fidelity, description(model)).to_csv(run.folder / "fidelity.csv", index=False)
        print(f"the preset {run.preset} beside its null models:")
        table = null_table(fidelity)
        print_table(table, caption=null_caption(table))
        if cascades:
            cascade = pd.concat(cascades).sort_values("step", kind="stable")
            described(cascade, description(model)).to_csv(run.folder / "cascade.csv", index=False)
            print(cascade_text(cascade))

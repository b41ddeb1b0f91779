"""Decompose the maps of a standalone model, which is its own explanation."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from rich.progress import track

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencySample
from explainsal.distillation import Standalone, attribute
from explainsal.distillation.attribution import BY
from explainsal.distillation.quality import attribution_table, write_tables
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.reporting.figures.attribution import PARTS, parts_figure
from explainsal.reporting.figures.style import save_figure, styled
from explainsal.reporting.submissions.writing import write_map
from explainsal.workflows.loading import describe
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.runs import RunFolder, describe_data


def explain_standalone(
    model: SaliencyModel, dataset: SaliencyDataset, run: RunFolder, options: EvaluationOptions
) -> Path:
    """Decompose the maps of a standalone model exactly, and write the report; the model is its own explanation.

    Raises:
        UserError: If the options name null models, which a standalone model does not have.
    """
    if options.nulls:
        raise UserError("a standalone model has no null models in `explain`: leave out nulls=...")
    output = run.folder
    net = cast(Standalone, model.net)
    run.record(describe(model), data=describe_data(dataset))
    count = min(options.explain_images or len(dataset), len(dataset))
    tables = []
    for index in track(range(count), description="explaining"):
        sample = dataset[index]
        images = model.preprocess(torch.from_numpy(sample.image).permute(2, 0, 1).unsqueeze(0))
        for by in BY:
            parts = attribute(net, images, by)
            tables.append(attribution_table(parts, [sample.id], by))
            if by == "source":
                write_parts(output, sample, {name: part[0].cpu().numpy() for name, part in parts.items()})
        write_map(output / "maps" / f"{sample.id}.png", model(images)[0, 0].detach().cpu().numpy())
    pd.concat(tables).to_csv(output / "attribution.csv", index=False)
    write_tables(net, None, output / "explanation" / "standalone")
    print(
        f"maps that add up to each saliency map: {output / 'maps'}\nthe share of each map: {output / 'attribution.csv'}"
    )
    run.finish()
    return output


def write_parts(output: Path, sample: SaliencySample, parts: dict[str, np.ndarray]) -> None:
    """Write the maps that add up to one saliency map, as files and as a picture."""
    for name, part in parts.items():
        write_map(output / "maps" / f"{sample.id}_{name.replace('/', '-')}.npy", part)
    with styled():
        figure = parts_figure(sample.image, sum(parts.values(), start=np.zeros(())), parts)
        save_figure(figure, output / "figures", f"{PARTS}_{sample.id}")

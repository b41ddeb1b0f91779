"""The rows of the paper's tables: which model each is about, its weights, its scores or its submission."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from torch import nn

from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.classical import classical_model
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import MissingFilesError, UserError
from explainsal.explanation import Explainer
from explainsal.explanation.explainable_model import ExplainableModel
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel
from explainsal.models.loading import NETWORKS
from explainsal.models.published import trained_on
from explainsal.models.weight_sources import locate_weights
from explainsal.modules.evaluation import DEEP, EvaluationModule
from explainsal.reporting.paper_table import paper_figures
from explainsal.reporting.results_table import PAPER_NETWORKS, model_title
from explainsal.workflows.baselines import baselines_of, postprocessing_of
from explainsal.workflows.loading import load_model
from explainsal.workflows.postprocessing import NONE
from explainsal.workflows.prediction import DEVICE, write_submission
from explainsal.workflows.scoring import score_images
from explainsal.workflows.submissions import form_of

REMARKS = {
    "itti": "as in the GBVS toolbox, its final blur included",
    "icl": "on a basis of our own: the published one has no licence",
    "rare_style": "in the style of RARE2012, whose code is not public",
}


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        model: Its key; a classical model's name, a network's, ``explainable_<network>``, ``<null>_<network>``.
        group: One of `reporting.paper_table.GROUPS`.
        title: How it is written.
        network: The network that is scored or explained, if any.
        null: The null model of its explanation, if it is one.
    """

    model: str
    group: str
    title: str
    network: str | None = None
    null: str | None = None


def rows_of(cfg: DictConfig) -> list[Row]:
    """Every row of ``cfg.table``: the paper's, then baselines, then the null models of each explained network.

    Raises:
        UserError: If the table, or a row that is asked for, does not exist.
    """
    printed = paper_figures().query("table == @cfg.table.name")
    if printed.empty:
        raise UserError(f"table.name={cfg.table.name}: the paper has {', '.join(paper_figures()['table'].unique())}")
    rows = [_paper_row(model, method) for model, method in zip(printed["model"], printed["method"], strict=True)]
    rows += [Row(name, "baseline", model_title(name)) for name in cfg.table.baselines]
    rows += [
        Row(f"{null}_{network}", "null_model", model_title(f"{null}_{network}"), network, null)
        for network in PAPER_NETWORKS
        for null in cfg.table.nulls
    ]
    known, chosen = [row.model for row in rows], cfg.table.rows
    if unknown := set(chosen or ()) - set(known):
        raise UserError(f"no row {', '.join(sorted(unknown))} in this table; it has {', '.join(known)}")
    return [row for row in rows if chosen is None or row.model in chosen]


def _paper_row(model: str, method: str) -> Row:
    network = model.removeprefix("explainable_")
    if network not in PAPER_NETWORKS:
        return Row(model, "classical", method)
    return Row(model, "network" if network == model else "explainable", method.removesuffix(" (Ours)"), network)


def score_row(
    cfg: DictConfig,
    row: Row,
    datamodule: SaliencyDataModule,
    new_metrics: Callable[[], SaliencyMetrics],
    folder: Path,
) -> tuple[str, pd.DataFrame]:
    """What must be said of a row, and its scores per image (see `score_images`)."""
    if row.network is not None and row.group != "network":
        model, note = network_of_row(cfg, row.network, datamodule.name)
        explainer = explainer_of_row(cfg, row, folder)
        module = EvaluationModule({DEEP: model}, new_metrics, explainable=[explainer.name])
        _, per_image = score_images(cfg, module, datamodule, [explainer])
        mine = per_image[per_image["model"] == explainer.name]
        return "; ".join(filter(None, [f"preset {cfg.table.preset}", note])), mine.assign(model=row.model)
    if row.group == "baseline":
        beside = baselines_of([row.model], datamodule)
        module = EvaluationModule(beside.models, new_metrics, gold_standard=beside.gold_standard)
        return "", score_images(cfg, module, datamodule)[1]
    scored, note = model_of_row(cfg, row, datamodule.name)
    postprocessing = postprocessing_of(cfg, datamodule)
    module = EvaluationModule({row.model: scored}, new_metrics, postprocessing={row.model: postprocessing})
    done = postprocessing.description.removesuffix(NONE)
    return "; ".join(filter(None, [note, done])), score_images(cfg, module, datamodule)[1]


def explainer_of_row(cfg: DictConfig, row: Row, folder: Path) -> LogGaborReconstruction:
    """The explanation, or null model of one, that a row is about; its tables lie beside the row's scores."""
    return LogGaborReconstruction(
        cfg.table.preset,
        folder / "rows" / row.model,
        limit=cfg.table.null_images if row.null else cfg.evaluation.explain_images,
        batch_size=cfg.evaluation.explain_batch_size,
        null=row.null,
        seed=cfg.seed,
    )


def model_of_row(cfg: DictConfig, row: Row, data: str) -> tuple[nn.Module, str]:
    """A classical model or a network, and what must be said of it."""
    if row.network is not None:
        return network_of_row(cfg, row.network, data)
    return classical_model(row.model), REMARKS.get(row.model, "")


def network_of_row(cfg: DictConfig, network: str, data: str) -> tuple[SaliencyModel, str]:
    """A network with its weights, and what these have seen of the data.

    Raises:
        MissingFilesError: If there are no weights; the message says how to come by them.
    """
    weights = weights_of_row(cfg, network)
    whole = weights in NETWORKS or Path(weights).suffix == ".ckpt"
    model = cast(SaliencyModel, load_model(weights) if whole else load_model(network, weights))
    seen = trained_on(model.weights or weights).get(data)
    name = weights if weights in NETWORKS else Path(weights).name
    return model, f"weights {name}" + (f", trained on {data}: {seen}" if seen else "")


def weights_of_row(cfg: DictConfig, network: str) -> str:
    """``table.weights.<network>``: a name, or the file that it stands for, fetched if need be.

    Raises:
        MissingFilesError: If there is no such file, or it cannot be fetched.
    """
    given = str(cfg.table.weights[network])
    if given in NETWORKS:
        return given
    path = locate_weights(given, network, folder=Path(cfg.paths.weights))
    if not path.exists():
        raise MissingFilesError(f"no weights at table.weights.{network}={given}")
    return str(path)


def submit_row(cfg: DictConfig, row: Row, datamodule: SaliencyDataModule, folder: Path) -> str:
    """Write the maps of a row as the benchmark takes them, into ``submissions/``, and say where they are.

    Raises:
        UserError: If no submission was asked for, or the row has no map without fixations.
    """
    form = form_of(cfg)
    if form is None:
        raise UserError(f"{datamodule.name} has no fixations to score by: +experiment=table3 writes submissions")
    if row.null:
        raise UserError("a null model is not submitted: its explanation is measured where fixations are known")
    dataset, note = datamodule.dataset(datamodule.eval_split), ""
    if row.group == "baseline":
        model = baselines_of([row.model], datamodule).models[row.model]
    elif row.group == "classical":
        model, note = model_of_row(cfg, row, datamodule.name)
    else:
        network, note = network_of_row(cfg, str(row.network), datamodule.name)
        explained = row.group == "explainable"
        model = ExplainableModel(Explainer(network, cfg.table.preset)) if explained else network
    preset = f"-{cfg.table.preset}" if row.group == "explainable" else ""
    place = folder / "submissions" / f"{row.model}{preset}-{form.kind}{form.suffix or '.' + form.file}"
    weights = weights_of_row(cfg, row.network) if row.network else None
    own = OmegaConf.merge(cfg, {"submission": {"to": str(place)}, "weights": weights})
    postprocessing = postprocessing_of(cfg, datamodule).to(DEVICE)
    path = write_submission(cast(DictConfig, own), form, datamodule, dataset, model.to(DEVICE), postprocessing)
    return "; ".join(filter(None, [f"maps: {path.relative_to(folder)}", note]))

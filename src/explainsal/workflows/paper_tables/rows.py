"""Rows of the paper's tables: their models, weights, and scores or submissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from torch import nn

from explainsal.classical import classical_model
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import MissingFilesError, UserError
from explainsal.explanation import Explainer
from explainsal.explanation.explainable_model import ExplainableModel
from explainsal.explanation.run import ExplanationRun
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel
from explainsal.models.published import trained_on
from explainsal.models.weight_sources import locate_weights
from explainsal.modules.evaluation import DEEP, EvaluationModule
from explainsal.reporting.paper.table import paper_figures
from explainsal.reporting.results.titles import PAPER_NETWORKS, model_title
from explainsal.workflows.baselines import make_baselines, make_postprocessing
from explainsal.workflows.loading import NETWORKS, load_model, require_network
from explainsal.workflows.paper_tables.options import TableOptions
from explainsal.workflows.postprocessing import NONE
from explainsal.workflows.prediction import PredictionOptions, write_submission
from explainsal.workflows.scoring import score_images

REMARKS = {
    "itti": "as in the GBVS toolbox, including its final blur",
    "icl": "on our own basis, since the published one has no licence",
    "rare_style": "in the style of RARE2012, whose code is not public",
}


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        model: Key of the row: a classical model, a network, ``explainable_<network>`` or ``<null>_<network>``.
        group: One of `reporting.paper.table.GROUPS`.
        title: Title in the printed table.
        network: The scored or explained network, if any.
        null: The null model of its explanation, if the row is one.
    """

    model: str
    group: str
    title: str
    network: str | None = None
    null: str | None = None


def choose_rows(options: TableOptions) -> list[Row]:
    """Choose the rows of the table: the paper's, then baselines, then the null models of each explained network.

    Raises:
        UserError: If the table or a selected row does not exist.
    """
    printed = paper_figures().query("table == @options.name")
    if printed.empty:
        raise UserError(f"table.name={options.name}: choose one of {', '.join(paper_figures()['table'].unique())}")
    rows = [_paper_row(model, method) for model, method in zip(printed["model"], printed["method"], strict=True)]
    rows += [Row(name, "baseline", model_title(name)) for name in options.baselines]
    rows += [
        Row(f"{null}_{network}", "null_model", model_title(f"{null}_{network}"), network, null)
        for network in PAPER_NETWORKS
        for null in options.nulls
    ]
    known, chosen = [row.model for row in rows], options.rows
    if unknown := set(chosen or ()) - set(known):
        raise UserError(f"no row {', '.join(sorted(unknown))} in this table; it has {', '.join(known)}")
    return [row for row in rows if chosen is None or row.model in chosen]


def _paper_row(model: str, method: str) -> Row:
    network = model.removeprefix("explainable_")
    if network not in PAPER_NETWORKS:
        return Row(model, "classical", method)
    return Row(model, "network" if network == model else "explainable", method.removesuffix(" (Ours)"), network)


def score_row(
    options: TableOptions,
    row: Row,
    datamodule: SaliencyDataModule,
    new_metrics: Callable[[], SaliencyMetrics],
    folder: Path,
) -> tuple[str, pd.DataFrame]:
    """Score a row; return its label and its scores per image (see `score_images`)."""
    if row.network is not None and row.group != "network":
        model, note = load_network_row(options, row.network, datamodule.name)
        each = make_explanation(options, row, folder)
        module = EvaluationModule({DEEP: model}, new_metrics, explainable=[each.name])
        _, per_image = score_images(options.evaluation, module, datamodule, [each])
        mine = per_image[per_image["model"] == each.name]
        return "; ".join(filter(None, [f"preset {options.preset}", note])), mine.assign(model=row.model)
    if row.group == "baseline":
        baselines = make_baselines([row.model], datamodule)
        module = EvaluationModule(baselines.models, new_metrics, gold_standard=baselines.gold_standard)
        return "", score_images(options.evaluation, module, datamodule)[1]
    scored, note = load_model_row(options, row, datamodule.name)
    postprocessing = make_postprocessing(options.evaluation.postprocessing, datamodule)
    module = EvaluationModule({row.model: scored}, new_metrics, postprocessing={row.model: postprocessing})
    done = postprocessing.description.removesuffix(NONE)
    return "; ".join(filter(None, [note, done])), score_images(options.evaluation, module, datamodule)[1]


def make_explanation(options: TableOptions, row: Row, folder: Path) -> ExplanationRun:
    """Build the explanation of a row, or its null model; the tables go next to the row's scores."""
    return ExplanationRun(
        options.preset,
        folder / "rows" / row.model,
        limit=options.null_images if row.null else options.evaluation.explain_images,
        batch_size=options.explain_batch_size,
        null=row.null,
        seed=options.evaluation.seed,
    )


def load_model_row(options: TableOptions, row: Row, data: str) -> tuple[nn.Module, str]:
    """Load the classical model or network of a row; return it with its label."""
    if row.network is not None:
        return load_network_row(options, row.network, data)
    return classical_model(row.model), REMARKS.get(row.model, "")


def load_network_row(options: TableOptions, network: str, data: str) -> tuple[SaliencyModel, str]:
    """Load a network with its weights; return it with a label that names weights and training data.

    Raises:
        MissingFilesError: If the weights are missing; the message says how to get them.
    """
    weights = find_weights(options, network)
    whole = weights in NETWORKS or Path(weights).suffix == ".ckpt"
    model = require_network(load_model(weights) if whole else load_model(network, weights))
    trained = trained_on(model.weights or weights).get(data)
    name = weights if weights in NETWORKS else Path(weights).name
    return model, f"weights {name}" + (f", trained on {data}: {trained}" if trained else "")


def find_weights(options: TableOptions, network: str) -> str:
    """Return ``table.weights.<network>``: a network's name, or its weight file, fetched if needed.

    Raises:
        MissingFilesError: If the file does not exist or cannot be fetched.
    """
    given = str(options.weights[network])
    if given in NETWORKS:
        return given
    path = locate_weights(given, network, folder=options.weights_folder)
    if not path.exists():
        raise MissingFilesError(f"no weights at table.weights.{network}={given}")
    return str(path)


def submit_row(options: TableOptions, row: Row, datamodule: SaliencyDataModule, folder: Path) -> str:
    """Write the submission of a row into ``submissions/``; return its label.

    Raises:
        UserError: If the options have no submission, or the row cannot be submitted.
    """
    submission = options.submission
    if submission is None:
        raise UserError(f"{datamodule.name} has no fixations to score with; +experiment=table3 writes submissions")
    if row.null:
        raise UserError("a null model is not submitted; measure it on a data set with fixations")
    dataset, note = datamodule.dataset(datamodule.eval_split), ""
    if row.group == "baseline":
        model = make_baselines([row.model], datamodule).models[row.model]
    elif row.group == "classical":
        model, note = load_model_row(options, row, datamodule.name)
    else:
        network, note = load_network_row(options, str(row.network), datamodule.name)
        explained = row.group == "explainable"
        model = ExplainableModel(Explainer(network, options.preset)) if explained else network
    form = submission.form
    preset = f"-{options.preset}" if row.group == "explainable" else ""
    place = folder / "submissions" / f"{row.model}{preset}-{form.kind}{form.suffix or '.' + form.file}"
    steps, device = options.evaluation.postprocessing, options.evaluation.device
    prediction = PredictionOptions(folder, postprocessing=steps, submission=submission, device=device)
    postprocessing = make_postprocessing(steps, datamodule).to(device)
    own = replace(submission, to=place)
    path = write_submission(prediction, own, datamodule, dataset, model.to(device), postprocessing)
    return "; ".join(filter(None, [f"maps: {path.relative_to(folder)}", note]))

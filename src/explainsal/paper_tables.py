"""Tables I to III of the paper, row by row: ``python -m explainsal.evaluate -m +experiment=table1``.

Every row is scored in a pass of its own and kept in ``rows/``, so that a row that fails ends no table, and the same
command again scores only what is missing or was made otherwise (docs/decisions/0025).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig
from torch import nn

from explainsal.baselines import baselines_of, postprocessing_of
from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.classical import classical_model
from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import MissingFilesError, UserError
from explainsal.loading import PACKAGED, load_model
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel
from explainsal.models.loading import NETWORKS
from explainsal.models.published import trained_on
from explainsal.modules.evaluation import DEEP, EvaluationModule
from explainsal.modules.postprocessing import NONE
from explainsal.record import write_record
from explainsal.reporting.html import write_report
from explainsal.reporting.paper_table import DONE, Outcome, build_table, paper_figures, write_table_files
from explainsal.reporting.results import summarize, write_results
from explainsal.reporting.results_table import model_title, protocol_text
from explainsal.reporting.run_figures import write_figures
from explainsal.reporting.tables import print_results
from explainsal.scores import metrics_of, protocol, score_images

log = logging.getLogger(__name__)

NETWORK_TITLES = {"cmrnet": "CMRNet", "unisal": "UNISAL", "msinet": "MSI-Net"}
PUBLISHED_FILES = {"unisal": "weights_best.pth", "msinet": "model_salicon_cpu.pb"}
FETCH = {"unisal": "model=unisal", "msinet": "model=msinet weights=salicon"}
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
        Row(f"{null}_{network}", "null_model", f"{NETWORK_TITLES[network]}: {null.replace('_', ' ')}", network, null)
        for network in NETWORK_TITLES
        for null in cfg.table.nulls
    ]
    known, chosen = [row.model for row in rows], cfg.table.rows
    if unknown := set(chosen or ()) - set(known):
        raise UserError(f"no row {', '.join(sorted(unknown))} in this table; it has {', '.join(known)}")
    return [row for row in rows if chosen is None or row.model in chosen]


def _paper_row(model: str, method: str) -> Row:
    network = model.removeprefix("explainable_")
    if network not in NETWORK_TITLES:
        return Row(model, "classical", method)
    return Row(model, "network" if network == model else "explainable", method.removesuffix(" (Ours)"), network)


def make_table(cfg: DictConfig, datamodule: SaliencyDataModule) -> pd.DataFrame:
    """Score every row that is not scored yet, and write the table and its report.

    Returns:
        The long results table of all rows that have scores.

    Raises:
        MissingFilesError: If the data set is absent; the table is written all the same, and says so in every row.
    """
    rows, folder = rows_of(cfg), Path(cfg.paths.output)
    try:
        datamodule.prepare_data()
    except MissingFilesError as error:
        reason = str(error).splitlines()[0]
        outcomes = [Outcome(row.model, row.group, row.title, "missing", reason) for row in rows if not row.null]
        write_table(cfg, folder, outcomes, pd.DataFrame(), pd.DataFrame(), cfg.data._target_.split(".")[-2])
        raise
    dataset = datamodule.dataset(datamodule.eval_split)
    if not dataset.has_fixations:
        raise UserError(f"{dataset.name} {dataset.split} has no fixations to score by")
    datamodule.setup("test")
    new_metrics, gain_over = metrics_of(cfg, datamodule)
    rows = [row for row in rows if row.null is None or _has_weights(cfg, row, dataset.name)]
    kept = {row.model: _kept(folder, row, _identity(cfg, row, dataset)) for row in rows}  # decided before any is made
    outcomes = [kept[row.model] or make_row(cfg, row, datamodule, new_metrics, folder) for row in rows]
    scored = [pd.read_parquet(_scores_file(folder, o.model)) for o in outcomes if o.status == "scored"]
    per_image = pd.concat(scored, ignore_index=True) if scored else pd.DataFrame()
    results = summarize(per_image, protocol(cfg, dataset, gain_over), seed=cfg.seed) if scored else pd.DataFrame()
    write_table(cfg, folder, outcomes, per_image, results, dataset.name)
    return results


def make_row(
    cfg: DictConfig,
    row: Row,
    datamodule: SaliencyDataModule,
    new_metrics: Callable[[], SaliencyMetrics],
    folder: Path,
) -> Outcome:
    """Score one row and keep its scores; what is missing, or goes wrong, is the row's own affair."""
    start, dataset = time.monotonic(), datamodule.dataset(datamodule.eval_split)
    log.info("row %s", row.model)
    try:
        note, per_image = _score(cfg, row, datamodule, new_metrics, folder)
        status = "scored"
        if len(per_image) < len(dataset):
            note = "; ".join(filter(None, [f"{len(per_image)} of {len(dataset)} images", note]))
    except UserError as error:
        status, note = "missing", _line(error)
    except Exception as error:
        log.exception("row %s failed", row.model)
        status, note = "failed", _line(error) or type(error).__name__
    outcome = Outcome(row.model, row.group, row.title, status, note, round(time.monotonic() - start, 1))
    if status == "scored":
        _keep(folder, outcome, _identity(cfg, row, dataset), per_image)
    else:
        log.warning("row %s: %s: %s", row.model, status, note)
    return outcome


def _score(
    cfg: DictConfig,
    row: Row,
    datamodule: SaliencyDataModule,
    new_metrics: Callable[[], SaliencyMetrics],
    folder: Path,
) -> tuple[str, pd.DataFrame]:
    """What must be said of a row, and its scores per image."""
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
    weights = weights_of_row(cfg, network, data)
    whole = weights in NETWORKS or Path(weights).suffix == ".ckpt"
    model = cast(SaliencyModel, load_model(weights) if whole else load_model(network, weights))
    seen = trained_on(model.weights or weights).get(data)
    name = weights if weights in NETWORKS else Path(weights).name
    return model, f"weights {name}" + (f", trained on {data}: {seen}" if seen else "")


def weights_of_row(cfg: DictConfig, network: str, data: str) -> str:
    """``table.weights.<network>``, or what it stands for: the published file, or the packaged CMRNet on OSIE."""
    given = cfg.table.weights[network]
    if given is not None:
        if given not in NETWORKS and not Path(given).exists():
            raise MissingFilesError(f"no weights at table.weights.{network}={given}")
        return str(given)
    if network == "cmrnet":
        if data == "osie":
            return PACKAGED
        raise MissingFilesError(
            "no weights: the authors published none; train it (python -m explainsal.train +experiment=cmrnet), then "
            "give table.weights.cmrnet=outputs/.../best.ckpt"
        )
    folder = Path(cfg.paths.weights) / network
    found = sorted(folder.rglob(PUBLISHED_FILES[network]))
    if not found:
        raise MissingFilesError(
            f"no weights {PUBLISHED_FILES[network]} in {folder}: python -m explainsal.prepare {FETCH[network]} fetches "
            f"them, or give table.weights.{network}=FILE"
        )
    return str(found[0])


def _has_weights(cfg: DictConfig, row: Row, data: str) -> bool:
    """Whether a null model can be made at all; that its explanation cannot is said in that row."""
    try:
        return bool(weights_of_row(cfg, str(row.network), data))
    except MissingFilesError:
        return False


@rank_zero_only
def write_table(
    cfg: DictConfig, folder: Path, outcomes: list[Outcome], per_image: pd.DataFrame, results: pd.DataFrame, data: str
) -> None:
    """Write and print the table, its figure and its report."""
    if len(results):
        write_results(folder, per_image, results)
        print_results(results)
    table = build_table(cfg.table.name, outcomes, per_image, results, _caption(results, data), data)
    write_table_files(folder, table)
    write_record(folder, cfg, model={"name": f"The rows of {table.about.source}"})
    write_figures(folder)
    for outcome in outcomes:
        if outcome.status not in DONE:
            print(f"{outcome.title}: {outcome.status}: {outcome.note}")
    print(f"table: {folder / 'table.md'}\nreport: {write_report(folder)}")


def _caption(results: pd.DataFrame, data: str) -> str:
    """The protocol in words."""
    if results.empty:
        return f"{data}, nothing measured"
    said = {name: protocol_text(results[name].iloc[0]) for name in ("data", "split", "profile", "density_sigma")}
    images = int(results["images"].max())
    sigma = said["density_sigma"] + (" px" if said["density_sigma"].replace(".", "").isdigit() else "")
    return f"{said['data']} {said['split']}, {images} images, profile {said['profile']}, density sigma {sigma}"


def _identity(cfg: DictConfig, row: Row, dataset: SaliencyDataset) -> dict[str, Any]:
    """Everything that the scores of a row depend on, but the code: other values, and it is scored again."""
    limit = cfg.table.null_images if row.null else cfg.evaluation.explain_images
    identity = {
        "row": [row.model, row.network, row.null],
        "data": [dataset.name, dataset.split, dataset.release, dataset.density_sigma, len(dataset), dataset.ids[-1]],
        "profile": cfg.metrics.profile,
        "extra_metrics": list(cfg.evaluation.extra_metrics),
        "postprocessing": dict(cfg.postprocessing or {}),
        "explanation": [cfg.table.preset, limit] if row.group in ("explainable", "null_model") else None,
        "seed": cfg.seed,
    }
    if row.network is not None:
        try:
            weights = weights_of_row(cfg, row.network, dataset.name)
        except MissingFilesError:
            return identity | {"weights": None}
        path = Path(weights)
        stat = path.stat() if path.exists() else None
        identity["weights"] = [weights, stat.st_size, stat.st_mtime_ns] if stat else [weights]
    return identity


def _scores_file(folder: Path, model: str) -> Path:
    return folder / "rows" / f"{model}.parquet"


@rank_zero_only
def _keep(folder: Path, outcome: Outcome, identity: dict[str, Any], per_image: pd.DataFrame) -> None:
    scores = _scores_file(folder, outcome.model)
    scores.parent.mkdir(parents=True, exist_ok=True)
    per_image.to_parquet(scores, index=False)
    text = json.dumps({"identity": identity, "outcome": asdict(outcome)}, indent=1)
    temporary = scores.with_suffix(".json.part")
    temporary.write_text(text)
    temporary.replace(scores.with_suffix(".json"))  # only a row with this file counts as done


def _kept(folder: Path, row: Row, identity: dict[str, Any]) -> Outcome | None:
    """The outcome of a row that was scored before, in just this way."""
    record = _scores_file(folder, row.model).with_suffix(".json")
    if not record.is_file() or not _scores_file(folder, row.model).is_file():
        return None
    content = json.loads(record.read_text())
    if content["identity"] != json.loads(json.dumps(identity)):
        log.info("row %s was scored otherwise: once more", row.model)
        return None
    log.info("row %s is kept from before", row.model)
    return replace(Outcome(**content["outcome"]), group=row.group, title=row.title)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())

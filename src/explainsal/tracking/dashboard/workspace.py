"""Definition of the W&B dashboard in code, with the sections Training, Evaluation, Explanation and Sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from explainsal.errors import UserError

NAME = "explainsal"
VALIDATION = ("cc", "sim", "nss", "kld")
SCORES = ("cc", "nss", "auc", "sauc")
COMPARED = ("deep", "explainable/sparse", "explainable/normalized", "explainable/paper", "center_bias", "chance")
PRESETS = ("paper", "normalized", "sparse")
FIT = ("cc_to_deep", "distance_to_null", "layer_correlation", "bandwidth_trend")
# parameters varied by the sweeps of conf/sweep, as keys of the resolved config
SWEPT = (
    "explainer.preset", "bank.n_orientations", "explainer.pool_size", "explainer.top_k", "explainer.chain",
    "module.optimizer.lr", "model.width", "seed",
)  # fmt: skip


def build_workspace(project: str) -> Any:
    """Build the dashboard of a project, checked by W&B's own types; nothing is sent.

    Args:
        project: ``ENTITY/PROJECT``.

    Raises:
        UserError: If `project` has another form, or wandb-workspaces is not installed.
    """
    entity, _, name = project.partition("/")
    if not entity or not name or "/" in name:
        raise UserError(f"project={project}: give ENTITY/PROJECT, as in the address wandb.ai/ENTITY/PROJECT")
    try:
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise UserError('mode=dashboard needs wandb-workspaces: pip install "explainsal[wandb]"') from error
    return ws.Workspace(
        entity=entity,
        project=name,
        name=NAME,
        sections=[
            ws.Section(name=title, panels=panels, is_open=True, layout_settings=ws.SectionLayoutSettings(3, 3))
            for title, panels in _sections().items()
        ],
        settings=ws.WorkspaceSettings(x_axis="trainer/global_step", group_by_prefix="first"),
        runset_settings=ws.RunsetSettings(
            pinned_columns=["summary:evaluation/deep/cc", "summary:explanation/cc_to_deep", "config:explainer.preset"]
        ),
    )


def write_workspace(workspace: Any, path: Path) -> Path:
    """Write the JSON definition that W&B would send to a browser.

    Raises:
        UserError: If this version of wandb-workspaces does not provide the definition, which is not public.
    """
    try:
        view = workspace._to_model().model_dump(by_alias=True, exclude_none=True)
    except (AttributeError, TypeError) as error:
        raise UserError(
            f"this version of wandb-workspaces cannot write dashboards to a file ({error}): publish the dashboard "
            "instead, or install the version that pyproject.toml names"
        ) from error
    path.write_text(json.dumps(view, indent=1, default=str) + "\n")
    return path


def publish_workspace(workspace: Any) -> str:
    """Save the dashboard at W&B and return its address.

    Raises:
        UserError: If W&B refuses or cannot be reached.
    """
    try:
        workspace.save()
        return str(workspace.url)
    except Exception as error:  # the client raises many types, including those of requests and its own
        raise UserError(
            f"W&B did not accept the dashboard ({type(error).__name__}: {error}). Is there a key (wandb login, or "
            "WANDB_API_KEY), may it write to this project, and does the network reach wandb.ai?"
        ) from error


def _panels() -> Any:
    """Return the module with W&B's panel types."""
    import wandb_workspaces.reports.v2

    return wandb_workspaces.reports.v2


def _sections() -> dict[str, list[Any]]:
    return {
        "Training": _training(),
        "Evaluation": _evaluation(),
        "Explanation": _explanation(),
        "Sweep": _sweep(),
    }


def _training() -> list[Any]:
    wr = _panels()
    step = "trainer/global_step"
    return [
        wr.LinePlot(title="Loss", x=step, y=["train/loss", "val/loss"]),
        *(wr.LinePlot(title=f"Validation {name}", x=step, y=[f"val/{name}"]) for name in VALIDATION),
        wr.LinePlot(title="Learning rate", x=step, metric_regex="lr-.*"),
        wr.MediaBrowser(title="Curves", media_keys=["training/curves"]),
    ]


def _evaluation() -> list[Any]:
    wr = _panels()
    bars = [
        wr.BarPlot(title=metric, metrics=[wr.SummaryMetric(f"evaluation/{model}/{metric}") for model in COMPARED])
        for metric in SCORES
    ]
    tables = ("images", "results", "scores", "profile_ranks", "profile_agreement")
    return [
        *bars,
        wr.MediaBrowser(title="Images", media_keys=["evaluation/strips"]),
        wr.MediaBrowser(title="Ranks by metric profile", media_keys=["evaluation/profiles"]),
        *(wr.WeavePanelSummaryTable(table_name=f"evaluation/{name}") for name in tables),
    ]


def _explanation() -> list[Any]:
    wr = _panels()
    bars = [
        wr.BarPlot(
            title=name.replace("_", " "),
            metrics=[wr.SummaryMetric(f"explanation/{preset}/{name}") for preset in PRESETS],
        )
        for name in FIT
    ]
    pictures = [
        wr.MediaBrowser(title="Fidelity by layer", media_keys=["explanation/layers"]),
        *(
            wr.MediaBrowser(title=title, media_keys=[f"explanation/{kind}/{preset}" for preset in PRESETS])
            for title, kind in (("Filter bank", "bank"), ("Filter usage against depth", "usage"))
        ),
    ]
    tables = ("layer_table", "filters", "bandwidth", "nulls")
    return [*bars, *pictures, *(wr.WeavePanelSummaryTable(table_name=f"explanation/{name}") for name in tables)]


def _sweep() -> list[Any]:
    wr = _panels()
    column = wr.ParallelCoordinatesPlotColumn
    aims = [wr.SummaryMetric(f"explanation/{name}") for name in ("cc_to_deep", "distance_to_null")]
    return [
        wr.ParallelCoordinatesPlot(
            title="Parameters and fidelity", columns=[*(column(wr.Config(key)) for key in SWEPT), *map(column, aims)]
        ),
        wr.ScatterPlot(title="Fidelity against the distance to the null", x=aims[1], y=aims[0]),
        wr.ParameterImportancePlot(with_respect_to="explanation/cc_to_deep"),
        wr.RunComparer(diff_only="split"),
    ]

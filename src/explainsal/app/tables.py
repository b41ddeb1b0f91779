"""Build the options of the paper's tables from a configuration."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from explainsal.app.options import build_evaluation, require_list
from explainsal.app.prediction import build_submission
from explainsal.workflows.paper_tables.options import TableOptions


def build_table(cfg: DictConfig) -> TableOptions:
    """Build the options of a table of the paper."""
    table = cfg.table
    for name in ("rows", "baselines", "nulls"):
        require_list(f"table.{name}", table[name])
    return TableOptions(
        name=table.name,
        weights=dict(table.weights),
        weights_folder=Path(cfg.paths.weights),
        preset=table.preset,
        nulls=list(table.nulls),
        null_images=table.null_images,
        baselines=list(table.baselines),
        rows=None if table.rows is None else list(table.rows),
        explain_batch_size=cfg.evaluation.explain_batch_size,
        evaluation=build_evaluation(cfg),
        submission=build_submission(cfg),
    )

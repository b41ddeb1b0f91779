"""Compute the results table of a model or of given maps: ``python -m explainsal.evaluate checkpoint=... data=...``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig


EXAMPLES = (
    "checkpoint=outputs/DATE/TIME/checkpoints/best.ckpt data=osie",
    "model=unisal weights=published data=mit1003",
    "model=itti data=osie evaluation.baselines=[center_bias,gbvs]",
    "predictions=MAPS data=osie metrics=mit2016",
    "-m +experiment=table1 data=osie",
)


def evaluate(cfg: DictConfig) -> pd.DataFrame:
    """Evaluate a model, maps from another tool, or every row of a table of the paper; return the results table."""
    from explainsal.app import build
    from explainsal.app.options import build_evaluation
    from explainsal.app.runs import open_run
    from explainsal.app.tables import build_table
    from explainsal.app.training import seed_everything
    from explainsal.errors import UserError
    from explainsal.workflows import evaluation
    from explainsal.workflows.paper_tables.table import make_table

    with open_run(cfg, "evaluate") as run:
        seed_everything(cfg)
        has_network = cfg.predictions is None and cfg.get("table") is None
        options = build_evaluation(cfg, explains=has_network and bool(cfg.evaluation.presets))
        if cfg.predictions is not None and (cfg.checkpoint is not None or cfg.get("model") is not None):
            raise UserError("predictions=... are scored as they are: leave out checkpoint=... and model=...")
        if has_network:
            build.check_model_options(cfg)  # before data are read or generated
        datamodule = build.build_datamodule(cfg)
        if cfg.get("table") is not None:
            return make_table(datamodule, run, build_table(cfg))
        datamodule.prepare_data()
        if cfg.predictions is None:
            model = build.build_model(cfg)
            return evaluation.evaluate(model, datamodule, run, options, build.build_preset_explanations(cfg))
        return evaluation.evaluate_predictions(cfg.predictions, datamodule, run, options)


@command("evaluate", examples=EXAMPLES)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    evaluate(cfg)


if __name__ == "__main__":
    main()

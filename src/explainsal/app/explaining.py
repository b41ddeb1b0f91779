"""Explain a network on a data module, as a configuration describes it."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from explainsal.app.build import build_datamodule, build_network, warn_of_one_process
from explainsal.app.training import seed_everything
from explainsal.distillation import Standalone
from explainsal.explanation.run import ExplanationRun
from explainsal.workflows import evaluation, explaining
from explainsal.workflows.loading import PACKAGED
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.runs import RunFolder


def explain_data(cfg: DictConfig, run: RunFolder, options: EvaluationOptions, explanation: ExplanationRun) -> Path:
    """Explain the network of ``cfg`` on its data module, with scores if there are fixations; return the folder."""
    seed_everything(cfg)
    datamodule = build_datamodule(cfg)
    datamodule.prepare_data()
    dataset = datamodule.dataset(datamodule.eval_split)
    if not dataset.has_fixations:
        warn_of_one_process(cfg, "explaining pictures without fixations")
    model = build_network(cfg, PACKAGED)
    if dataset.has_fixations and not isinstance(model.net, Standalone):
        return evaluation.explain(model, datamodule, run, options, explanation)
    return explaining.explain(model, dataset, run, options, explanation)

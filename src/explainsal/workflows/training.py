"""Train a saliency network, then evaluate and explain its best checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning import LightningDataModule, LightningModule, Trainer
from torch import nn

from explainsal.callbacks.stopping import interrupts
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError
from explainsal.explanation.run import ExplanationRun
from explainsal.models import SaliencyModel
from explainsal.models.saliency_model import TRAINED_HERE
from explainsal.workflows.baselines import available
from explainsal.workflows.evaluation import evaluate_model, record_evaluation
from explainsal.workflows.loading import describe, model_name
from explainsal.workflows.null_models import check_nulls
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.resuming import CHECKPOINTS, resume_from, trained_network
from explainsal.workflows.runs import RunFolder


def require_trainable(model: nn.Module) -> SaliencyModel:
    """Return the model; raise a UserError if it is a classical model, which has no weights."""
    if not isinstance(model, SaliencyModel):
        raise UserError(f"{model_name(model)} has no weights to train: evaluate it, or train a network (model=cmrnet)")
    return model


def train(
    module: LightningModule,
    training_data: LightningDataModule,
    run: RunFolder,
    trainer: Trainer,
    *,
    resume: str | Path | None = None,
    test_data: SaliencyDataModule | None = None,
    options: EvaluationOptions | None = None,
    explanations: Sequence[ExplanationRun] = (),
) -> dict[str, float]:
    """Fit a network, evaluate and explain its best checkpoint, and write the report.

    Args:
        module: The network with its loss and optimizer; has ``.model``, a `SaliencyModel`.
        training_data: The training and validation splits, prepared.
        run: The output folder; the checkpoints are expected in its ``checkpoints``.
        trainer: The Lightning trainer, with its callbacks and loggers.
        test_data: The data of the evaluation; None: no evaluation.
        explanations: One per explainable model in the results table.

    Returns:
        The last values of all metrics logged during training, e.g. ``val/cc``, which a sweep may optimize.
    """
    model = module.model
    assert isinstance(model, SaliencyModel)
    if test_data is not None and options is not None:
        check_nulls(options.nulls, model=model)
    if resume is not None:
        resume_from(Path(resume), run.folder, model, trainer.max_epochs)
    trains = any(parameter.requires_grad for parameter in module.parameters())  # a frozen network does not change
    options = options or EvaluationOptions()
    if test_data is not None:  # omissions are reported before the training
        options = replace(options, baselines=available(options.baselines, test_data))
    about = describe(model) | ({"weights": TRAINED_HERE} if trains else {})
    if test_data is None:
        run.record(about)
    else:
        record_evaluation(run, about, test_data, options, explanations)
    run.log_config()
    fit(trainer, module, training_data, resume=resume)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if test_data is not None:
        tested = trained_network(run.folder / CHECKPOINTS, model) if trains else model.eval()
        evaluate_model(tested, test_data, run.folder, options, explanations)
    run.finish()
    return metrics


def fit(
    trainer: Trainer, module: LightningModule, datamodule: LightningDataModule, *, resume: str | Path | None
) -> None:
    """Fit a network; Ctrl-C and SIGTERM raise KeyboardInterrupt after the checkpoint is written."""
    with interrupts():
        trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=True)

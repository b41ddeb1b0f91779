"""Train a saliency network, then evaluate and explain its best checkpoint: ``python -m explainsal.train``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


EXAMPLES = (
    "+experiment=demo",
    "+experiment=cmrnet data=osie data.root=DATA/osie",
    "model=cmrnet data=folder data.root=MYDATA trainer.max_epochs=20",
    "resume=outputs/DATE/TIME/checkpoints/last.ckpt",
    "-m +sweep=training data=osie",
)


def train(cfg: DictConfig) -> dict[str, float]:
    """Train, evaluate and explain the network of ``cfg``; return the last logged values."""
    from explainsal.app import build
    from explainsal.app.options import build_evaluation
    from explainsal.app.runs import open_run
    from explainsal.app.training import build_module, build_trainer, refuse_classical, seed_everything
    from explainsal.app.training_data import build_training_data, check_resume
    from explainsal.workflows import training

    check_resume(cfg)
    with open_run(cfg, "train") as run:
        options = build_evaluation(cfg, explains=not cfg.evaluate or bool(cfg.evaluation.presets))
        refuse_classical(cfg)
        seed_everything(cfg)
        datamodule = build.build_datamodule(cfg)
        data = build_training_data(cfg, datamodule)
        data.prepare_data()  # a missing data set ends the run here, before any network is built
        datamodule.require_training_images()
        return training.train(
            build_module(cfg),
            data,
            run,
            build_trainer(cfg, run.loggers),
            resume=cfg.resume,
            test_data=datamodule if cfg.evaluate else None,
            options=options,
            explanations=build.build_preset_explanations(cfg) if cfg.evaluate else (),
        )


@command("train", examples=EXAMPLES)
def main(cfg: DictConfig) -> dict[str, float]:
    """Entry point."""
    return train(cfg)


if __name__ == "__main__":
    main()

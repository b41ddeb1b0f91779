"""Write the saliency maps of pictures as files: ``python -m explainsal.predict checkpoint=... image=folder``.

``python -m explainsal.predict model=... data=mit300 submission=tuebingen`` writes a submission to a benchmark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.app.cli import RESUMED, command

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from explainsal.reporting.submissions.check import Verdict


EXAMPLES = (
    "image=FOLDER model=unisal weights=published format=npy",
    "model=itti data=osie postprocessing.center_bias=true",
    "checkpoint=best.ckpt data=mit300 submission=tuebingen",
    "mode=check predictions=maps.hdf5 data=mit300 submission=tuebingen",
    "image=FRAMES video=true model=unisal model.domain=DHF1K weights=published",
)


def predict(cfg: DictConfig) -> Path | Verdict:
    """Write one map per picture and return the folder, or check a submission with ``mode=check``."""
    from explainsal.app import build
    from explainsal.app.modes import run_mode
    from explainsal.app.prediction import build_prediction, build_submission
    from explainsal.app.runs import open_run
    from explainsal.workflows import prediction
    from explainsal.workflows.loading import PACKAGED
    from explainsal.workflows.submissions import check_submission_file

    def write(cfg: DictConfig) -> Path:
        with open_run(cfg, "predict") as run:
            chosen = build_prediction(cfg)
            build.warn_of_one_process(cfg, "predicting")
            datamodule = build.build_datamodule(cfg)
            prediction.choose_images(datamodule, chosen)  # missing pictures end the run before a network is built
            return prediction.predict(build.build_model(cfg, PACKAGED), datamodule, run, chosen)

    def check(cfg: DictConfig) -> Verdict:
        return check_submission_file(cfg.predictions, build_submission(cfg), build.build_datamodule(cfg))

    return run_mode(cfg, {"write": write, "check": check}, {"predictions": "check"})


@command("predict", examples=EXAMPLES, interrupted=RESUMED)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    predict(cfg)


if __name__ == "__main__":
    main()

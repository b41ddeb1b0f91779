"""Write the saliency maps of pictures as files: ``python -m explainsal.predict checkpoint=... image=folder``.

``python -m explainsal.predict model=... data=mit300 submission=tuebingen`` writes what the benchmark takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import RESUMED, command

if TYPE_CHECKING:
    from omegaconf import DictConfig


EXAMPLES = (
    "image=photo.jpg",
    "image=FOLDER model=unisal weights=published format=npy",
    "model=itti data=osie postprocessing.center_bias=true",
    "checkpoint=best.ckpt data=mit300 submission=tuebingen",
    "image=FRAMES video=true model=unisal model.domain=DHF1K weights=published",
)


def predict(cfg: DictConfig) -> Path:
    """Write one map per picture; return the folder of the maps, or the submission."""
    from explainsal.app.build import build_datamodule, build_model
    from explainsal.app.options import build_prediction
    from explainsal.app.runs import open_run
    from explainsal.workflows import prediction
    from explainsal.workflows.loading import PACKAGED

    with open_run(cfg, "predict") as run:
        options = build_prediction(cfg)
        datamodule = build_datamodule(cfg)
        prediction.choose_images(datamodule, options)  # missing pictures end the run before a network is built
        return prediction.predict(build_model(cfg, PACKAGED), datamodule, run, options)


@command("predict", examples=EXAMPLES, interrupted=RESUMED)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    predict(cfg)


if __name__ == "__main__":
    main()

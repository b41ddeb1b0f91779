"""Saliency maps of pictures, as files: ``python -m explainsal.predict checkpoint=... image=folder``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.progress import track

from explainsal.baselines import postprocessing_of
from explainsal.cli import command
from explainsal.errors import UserError
from explainsal.loading import PACKAGED, describe, model_of, weights_of
from explainsal.record import write_record

FORMATS = ("png", "npy")


def predict(cfg: DictConfig) -> Path:
    """Write one map per picture, at the picture's size and under its name; returns the folder.

    ``png`` is 8 bit with the maximum at 255, for looking and for most benchmarks; ``npy`` is float32, unscaled.
    """
    if cfg.format not in FORMATS:
        raise UserError(f"format={cfg.format}: choose one of {', '.join(FORMATS)}")
    datamodule = instantiate(cfg.data)
    datamodule.setup("predict")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model_of(cfg, PACKAGED).to(device)
    postprocessing = postprocessing_of(cfg, datamodule).to(device)
    output = Path(cfg.paths.output)
    write_record(output, cfg, model=describe(model, weights_of(cfg)))
    folder = output / "maps"
    for batch in track(datamodule.predict_dataloader(), description="predicting"):
        with torch.inference_mode():
            maps = postprocessing(model(batch.images.to(device))).squeeze(1).cpu().numpy()
        for name, saliency_map in zip(batch.ids, maps, strict=True):
            write_map(folder / f"{name}.{cfg.format}", saliency_map)
    print(f"post-processing: {postprocessing.description}\nmaps: {folder}")
    return folder


def write_map(path: Path, saliency_map: np.ndarray) -> None:
    """Write one map ``(H, W)`` in the format of the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, saliency_map.astype(np.float32))
        return
    peak = float(saliency_map.max())
    gray = np.rint(saliency_map * (255 / peak if peak > 0 else 0)).astype(np.uint8)
    if not cv2.imwrite(str(path), gray):
        raise UserError(f"could not write {path}: is the disk full, or the folder read-only?")


@command("predict")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    predict(cfg)


if __name__ == "__main__":
    main()

"""Predict maps of video frames; the frames of each video are pictures in one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.errors import UserError
from explainsal.models.unisal import VIDEOS, UNISALModel
from explainsal.workflows.loading import model_name


def video_model(model: nn.Module) -> UNISALModel:
    """Return the model; raise a UserError if it accepts only single images."""
    if isinstance(model, UNISALModel) and model.options["domain"] in VIDEOS:
        return model
    choices = f"model=unisal model.domain=NAME of {', '.join(VIDEOS)}"
    raise UserError(f"video=true: {model_name(model)} takes only single images here; choose {choices}")


def video_maps(
    dataset: SaliencyDataset, model: UNISALModel, wanted: Sequence[int], *, batch_size: int, device: torch.device
) -> Iterator[tuple[int, Tensor]]:
    """Yield the position and map ``(1, 1, H, W)`` of each selected frame; a map depends on all frames before it.

    Args:
        model: See `video_model`; on the device.
        batch_size: Number of frames in memory at a time; it does not change the maps.

    Raises:
        UserError: If the frames of a video differ in size.
    """
    sizes, todo = dataset.sizes, set(wanted)
    for folder, frames in videos(dataset.ids).items():
        if odd := [i for i in frames if sizes[i] != sizes[frames[0]]]:
            first, other = (f"{dataset.ids[i]} has {sizes[i][0]} x {sizes[i][1]} pixels" for i in (frames[0], odd[0]))
            raise UserError(f"video=true: the frames of a video have one size, but {first} and {other}")
        end = max((place + 1 for place, i in enumerate(frames) if i in todo), default=0)
        parts = [frames[start : start + batch_size] for start in range(0, end, batch_size)]
        images = (np.stack([dataset[i].image for i in part]) for part in parts)
        tensors = (torch.from_numpy(part).permute(0, 3, 1, 2).to(device) for part in images)
        with torch.inference_mode():
            for part, maps in zip(track(parts, description=f"video {folder}"), model.video(tensors), strict=True):
                yield from ((i, maps[k : k + 1]) for k, i in enumerate(part) if i in todo)


def videos(ids: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of the frames of every video, by folder, in the order of the numbers in their names.

    Example:
        >>> videos(["b/frame10", "b/frame9", "a/1"])
        {'b': [1, 0], 'a': [2]}
    """
    folders: dict[str, list[int]] = {}
    for position, key in enumerate(ids):
        folders.setdefault(str(PurePosixPath(key).parent), []).append(position)
    return {folder: sorted(frames, key=lambda i: _by_number(ids[i])) for folder, frames in folders.items()}


def _by_number(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]

"""Joint augmentation of an image, its density and its fixation points."""

from __future__ import annotations

import os
from dataclasses import replace

import cv2
import numpy as np
import torch

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it would otherwise ask PyPI for its newest version
import albumentations as A

from explainsal.data.sample import SaliencySample


class Augmentation:
    """An albumentations pipeline applied to image, density and fixation points alike.

    albumentations counts pixel centres (a flip is ``w - 1 - x``), we count pixel edges (``W - x``): points are handed
    over as x - 0.5 and 0.5 is added afterwards. Points that leave the image are dropped, repeated points stay repeated.

    Randomness comes from torch's generator, which a DataLoader seeds anew for every worker and epoch: workers and
    epochs differ, and a run is repeated exactly by its seed and number of workers.

    Args:
        steps: albumentations transforms that keep the image's size, or change the size of all images alike. Avoid
            ``Resize`` and those built on it: it scales points about the pixel centre but pixels about their edges.
    """

    def __init__(self, steps: list[A.BasicTransform]) -> None:
        keypoints = A.KeypointParams(format="xy", remove_invisible=False)  # its own test works on integers
        self.pipeline = A.Compose(steps, keypoint_params=keypoints)

    def __call__(self, sample: SaliencySample) -> SaliencySample:
        """Augment one sample; what it lacks (points, density) stays lacking."""
        self.pipeline.set_random_seed(int(torch.randint(2**31, ())))
        points = sample.fixations if sample.fixations is not None else np.zeros((0, 2))
        parts = {"image": sample.image, "keypoints": points - 0.5}
        if sample.density is not None:
            parts["mask"] = sample.density
        out = self.pipeline(**parts)
        height, width = out["image"].shape[:2]
        moved = np.asarray(out["keypoints"], dtype=np.float64).reshape(-1, 2) + 0.5
        inside = np.logical_and.reduce((moved >= 0) & (moved < (width, height)), axis=1)
        return replace(
            sample,
            image=out["image"],
            fixations=moved[inside] if sample.fixations is not None else None,
            density=out["mask"] if sample.density is not None else None,
        )


def training_augmentation(
    *, flip: float, affine: float, photometric: float, zoom: float, rotate: float
) -> Augmentation:
    """Mirror images, a zoom with shift and rotation, changes of brightness, contrast and colour.

    Where people look depends on what is where and how large it is, so keep the geometry close to the original (the
    values in use: conf/data/augmentation). Nothing is known beyond the image's border: it is filled with grey, and
    with a density of zero.

    Args:
        flip: Probability of a left-right flip.
        affine: Probability of zoom, shift and rotation.
        photometric: Probability of a change of brightness, contrast, saturation and hue.
        zoom: Largest magnification; the smallest is 1.
        rotate: Largest rotation to either side, in degrees.

    Raises:
        ValueError: If a probability lies outside [0, 1], `zoom` is below 1 or `rotate` is negative.
    """
    for name, value in {"flip": flip, "affine": affine, "photometric": photometric}.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is a probability, got {value}")
    if zoom < 1 or rotate < 0:
        raise ValueError(f"zoom must be at least 1 and rotate at least 0, got {zoom} and {rotate}")
    shift = (zoom - 1) / 2
    return Augmentation(
        [
            A.HorizontalFlip(p=flip),
            A.Affine(
                scale=(1.0, zoom),
                translate_percent={"x": (-shift, shift), "y": (-shift, shift)},
                keep_ratio=True,
                rotate=(-rotate, rotate),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_LINEAR,
                border_mode=cv2.BORDER_CONSTANT,
                fill=128,
                fill_mask=0,
                p=affine,
            ),
            A.ColorJitter(
                brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.02, 0.02), p=photometric
            ),
        ]
    )

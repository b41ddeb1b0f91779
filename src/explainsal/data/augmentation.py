"""What training does to an image, its density and its fixation points together: any albumentations pipeline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it would otherwise ask PyPI for its newest version
import albumentations as A

from explainsal.data.sample import SaliencySample


class Augmentation:
    """An albumentations pipeline applied to image, density and fixation points alike.

    albumentations counts pixel centres (a flip is ``w - 1 - x``), we count pixel edges (``W - x``): points are handed
    over as x - 0.5 and 0.5 is added afterwards. Points that leave the image are dropped, repeated points stay repeated.

    Randomness comes from torch's generator, which a data module seeds by run, epoch and image: a run is repeated
    exactly by its seed.

    Args:
        steps: albumentations transforms by a name of your choice, applied in this order. They keep the image's size, or
            change the size of all images alike. Avoid ``Resize`` and those built on it: it scales points about the
            pixel centre but pixels about their edges.

    Example:
        >>> mirror = Augmentation({"flip": A.HorizontalFlip(p=1)})
        >>> sample = SaliencySample("a", 0, np.zeros((4, 6, 3), np.uint8), fixations=np.array([[1.25, 3.0]]))
        >>> mirror(sample).fixations.tolist()
        [[4.75, 3.0]]
    """

    def __init__(self, steps: Mapping[str, A.BasicTransform]) -> None:
        keypoints = A.KeypointParams(format="xy", remove_invisible=False)  # its own test works on integers
        self.pipeline = A.Compose(list(steps.values()), keypoint_params=keypoints)

    def __call__(self, sample: SaliencySample) -> SaliencySample:
        """Augment one sample; what it lacks (points, density) stays lacking, and the sample itself is unchanged."""
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

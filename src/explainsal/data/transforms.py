"""Any albumentations pipeline as an augmentation of samples; recipes use `explainsal.data.augmentation`."""

from __future__ import annotations

import os
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

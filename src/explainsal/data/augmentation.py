"""Augment an image, its density and its fixation points together with any albumentations pipeline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise the import asks PyPI for the newest version
import albumentations as A

from explainsal.data.sample import SaliencySample


class Augmentation:
    """Albumentations pipeline that is applied to image, density and fixation points alike.

    albumentations counts from pixel centers (a flip is ``w - 1 - x``), this package from pixel edges (``W - x``).
    Points are therefore passed as x - 0.5, and 0.5 is added afterwards. Points that leave the image are dropped;
    repeated points stay repeated. Random numbers come from torch's generator, which a data module seeds by run, epoch
    and image, so that a seed reproduces a run exactly.

    Args:
        steps: albumentations transforms by names of your choice, applied in this order; None is skipped. They keep the
            image size, or change the size of all images alike. Avoid ``Resize`` and transforms built on it: they scale
            points about the pixel center but pixels about their edges.

    Example:
        >>> mirror = Augmentation({"flip": A.HorizontalFlip(p=1)})
        >>> sample = SaliencySample("a", 0, np.zeros((4, 6, 3), np.uint8), fixations=np.array([[1.25, 3.0]]))
        >>> mirror(sample).fixations.tolist()
        [[4.75, 3.0]]
    """

    def __init__(self, steps: Mapping[str, A.BasicTransform | None]) -> None:
        keypoints = A.KeypointParams(format="xy", remove_invisible=False)  # its own visibility test rounds to integers
        chosen = [step for step in steps.values() if step is not None]
        self.pipeline = A.Compose(chosen, keypoint_params=keypoints)

    def __call__(self, sample: SaliencySample) -> SaliencySample:
        """Augment one sample; missing points or density stay missing, and the input is unchanged."""
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

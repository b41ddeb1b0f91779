"""Samples (one image with its ground truth) and batches of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from explainsal.types import DensityMap, FixationBatch


@dataclass(frozen=True, eq=False)
class SaliencySample:
    """One image as shown to observers, with its ground truth.

    Args:
        id: Unique id within the data set: the published file stem, e.g. ``COCO_val2014_000000000042``.
        index: Position in the data set, which identifies samples repeated by a distributed sampler.
        image: Shape ``(H, W, 3)``, uint8, RGB, native size.
        fixations: Shape ``(N, 2)``, float64, (x, y) in pixels, pixel i covers [i, i + 1); None if unknown.
        density: Shape ``(H, W)``, uint8 or float32, non-negative; None if unknown.
        domain: Domain of a network with domains, e.g. UNISAL's ``"SALICON"``; None: the network's default.
    """

    id: str
    index: int
    image: np.ndarray
    fixations: np.ndarray | None = None
    density: np.ndarray | None = None
    domain: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.image.shape[0]), int(self.image.shape[1])


@dataclass(frozen=True, eq=False)
class SaliencyBatch:
    """Samples of one native size; networks resize them, metrics use the native size.

    Args:
        ids: One id per image.
        index: Shape ``(B,)``, int64.
        images: Shape ``(B, 3, H, W)``, uint8, RGB.
        fixations: Points of all images in native pixels, or None.
        density: ``(B, H, W)``, or None.
        domain: Domain of all samples.
    """

    ids: tuple[str, ...]
    index: Tensor
    images: Tensor
    fixations: FixationBatch | None
    density: DensityMap | None
    domain: str | None = None

    @classmethod
    def collate(cls, samples: Sequence[SaliencySample]) -> SaliencyBatch:
        """Stack samples.

        Raises:
            ValueError: If their sizes or domains differ, or only some have fixations or a density.
        """
        sizes = {sample.size for sample in samples}
        if len(sizes) != 1:
            raise ValueError(f"the images of a batch must share one size, got {sorted(sizes)}; use batch_size=1")
        domains = {sample.domain for sample in samples}
        if len(domains) != 1:
            raise ValueError(f"the images of a batch must share one domain, got {sorted(map(str, domains))}")
        fixations = [s.fixations for s in samples if s.fixations is not None]
        densities = [s.density for s in samples if s.density is not None]
        if len(fixations) not in (0, len(samples)) or len(densities) not in (0, len(samples)):
            raise ValueError(f"only some of these samples have ground truth: {[s.id for s in samples]}")
        images = torch.empty((len(samples), 3, *samples[0].size), dtype=torch.uint8)
        for planes, sample in zip(images.numpy(), samples, strict=True):  # faster than a transposed copy
            cv2.split(np.ascontiguousarray(sample.image), list(planes))
        return cls(
            ids=tuple(s.id for s in samples),
            index=torch.tensor([s.index for s in samples], dtype=torch.int64),
            images=images,
            fixations=FixationBatch.from_points([torch.from_numpy(f) for f in fixations]) if fixations else None,
            density=DensityMap(torch.from_numpy(np.stack(densities))) if densities else None,
            domain=domains.pop(),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> SaliencyBatch:
        """Copy the batch to another device; copies from page-locked memory to CUDA are asynchronous."""
        target = torch.device(device)
        options: dict[str, Any] = {"device": target, "non_blocking": target.type == "cuda"}  # unsafe towards the CPU
        return SaliencyBatch(
            self.ids,
            self.index.to(**options),
            self.images.to(**options),
            self.fixations.to(target) if self.fixations is not None else None,
            DensityMap(self.density.values.to(**options)) if self.density is not None else None,
            self.domain,
        )

    def pin_memory(self) -> SaliencyBatch:
        """Copy the batch to page-locked memory, for asynchronous copies to the accelerator."""
        return SaliencyBatch(
            self.ids,
            self.index.pin_memory(),
            self.images.pin_memory(),
            self.fixations.pin_memory() if self.fixations is not None else None,
            self.density.pin_memory() if self.density is not None else None,
            self.domain,
        )

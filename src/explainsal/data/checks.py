"""Compare a data set on disk with its published counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.progress import track

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sources import Source
from explainsal.errors import UserError


@dataclass(frozen=True)
class SplitCheck:
    """Counts of one split on disk, with published counts if they are known.

    Args:
        published_images: Published number of images; None if unknown.
        fixations: Number of fixations; None if the split has no fixations.
        published_fixations: Published number of fixations; None if unknown.
        sizes: Distinct image sizes ``(H, W)``, the most frequent first.
        unfixated: Number of images without fixations.
        damaged: One message per unreadable file or all-zero density.
        remarks: Differences from the published counts.
    """

    split: str
    images: int
    published_images: int | None
    fixations: int | None
    published_fixations: int | None
    sizes: tuple[tuple[int, int], ...]
    unfixated: int
    damaged: tuple[str, ...]
    remarks: tuple[str, ...]


def check_split(dataset: SaliencyDataset, source: Source | None = None, *, decode: bool = False) -> SplitCheck:
    """Count images and fixations of a split; with `decode`, read every picture and map once to find damaged ones."""
    sizes, counts = np.unique(np.array(dataset.sizes), axis=0, return_counts=True)
    ordered = tuple((int(h), int(w)) for h, w in sizes[np.argsort(-counts, kind="stable")])
    published_images = source.images.get(dataset.split) if source else None
    published_fixations = source.fixations.get(dataset.split) if source else None
    fixations = dataset.fixation_count if dataset.has_fixations else None
    remarks = []
    if published_images not in (None, len(dataset)):
        remarks.append(f"{len(dataset):,} images, published {published_images:,}")
    counted = source.counted.get(dataset.split) if source else None
    expected = published_fixations if counted is None else counted
    if fixations is not None and expected not in (None, fixations):
        remarks.append(f"{fixations:,} fixations, {'published' if counted is None else 'complete'} {expected:,}")
    if source and source.size and any(size != source.size for size in ordered):
        remarks.append(f"images of {ordered} pixels (H, W), published {source.size}")
    return SplitCheck(
        split=dataset.split,
        images=len(dataset),
        published_images=published_images,
        fixations=fixations,
        published_fixations=published_fixations,
        sizes=ordered,
        unfixated=sum(not len(p) for p in dataset.all_fixations()[0]) if dataset.has_fixations else 0,
        damaged=tuple(_damaged(dataset)) if decode else (),
        remarks=tuple(remarks),
    )


def _damaged(dataset: SaliencyDataset) -> list[str]:
    messages = []
    for index in track(range(len(dataset)), f"reading every file of {dataset.split}", transient=True):
        try:
            sample = dataset[index]
        except UserError as error:
            messages.append(str(error))
            continue
        if dataset.map_files and sample.density is not None and not sample.density.any():
            messages.append(f"the density of {sample.id} is zero everywhere")
    return messages

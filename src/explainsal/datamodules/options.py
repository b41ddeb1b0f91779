"""Options that the data modules of all data sets accept."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Required, TypedDict, runtime_checkable

from explainsal.data.dataset import Transform
from explainsal.data.fixation_table import Outside
from explainsal.data.reading import Decoded, Unreadable
from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError


@runtime_checkable
class BatchTransform(Protocol):
    """An augmentation of whole batches on their device; `explainsal.data.device_augmentation` defines one."""

    on_device: bool

    def __call__(self, batch: SaliencyBatch, *, seed: int, epoch: int) -> SaliencyBatch:
        """Return the augmented batch, which depends only on seed, epoch and the images' indices."""


class DataOptions(TypedDict, total=False):
    """Options of `SaliencyDataModule` other than the root; each data set's module accepts them as well."""

    batch_size: Required[int]
    num_workers: int | None
    augmentation: Transform | BatchTransform | None
    split: str | None
    fold: int | None
    folds: int
    eval_split: str | None
    outside: Outside
    unreadable: Unreadable
    cache: Path | None
    decoded: Decoded
    pin_memory: bool | None


def check_sigma(sigma: float | None) -> None:
    """Raise a UserError if a number is not a standard deviation."""
    if sigma is not None and not sigma > 0:
        raise UserError(f"data.density_sigma={sigma}: a standard deviation in pixels must be positive")

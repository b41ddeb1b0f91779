"""Base class of the Lightning data modules: splits, loaders, and batches of one native image size."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
import torch
from torch.utils.data import DataLoader

from explainsal.data.dataset import SaliencyDataset, Transform
from explainsal.data.domains import DomainSamples
from explainsal.data.fixation_table import Outside
from explainsal.data.reading import Decoded, Reading, Unreadable
from explainsal.data.sample import SaliencySample
from explainsal.data.seeds import run_seed
from explainsal.data.small import SmallMixture
from explainsal.data.sources import Source
from explainsal.data.splits import Division, NamedSplit, Parts
from explainsal.datamodules.loaders import make_loader
from explainsal.datamodules.options import BatchTransform
from explainsal.datamodules.order import Position, find_position
from explainsal.errors import UserError
from explainsal.threads import count_cores

log = logging.getLogger(__name__)


class SaliencyDataModule(L.LightningDataModule):
    """Data module with loaders of `SaliencyBatch`: uint8 images of native size, which the network itself resizes.

    `prepare_data` finds, checks and indexes every split. Commands call it before they build a network, so that a
    missing data set is reported within seconds. All images of a batch share one size: if a data set mixes sizes,
    batches are grouped by size (`SizeGroupedBatchSampler`), in distributed runs as well.

    By default the published parts of a data set are its splits. `split` selects another division from published code.
    `fold` selects a fold of that division or, without `split`, of a cross-validation over the part `whole`.

    Args:
        root: Folder of the data set.
        batch_size: Images per batch and process.
        num_workers: Worker processes per loader; 0 loads in the main process, None takes all cores but one, at most 8.
        augmentation: Augmentation of the training split, of each sample in a worker or, if it has ``on_device``, of
            each batch on its device; None for none.
        split: A named split, one of `splits`; None takes the published parts.
        fold: Number of the fold, from 0; None for no cross-validation.
        folds: Number of folds of a cross-validation.
        eval_split: Split for the test loop; None selects the test part or, if there is none, the validation part.
        outside: Treatment of fixations outside their image: ``drop``, ``clip`` or ``error``.
        unreadable: Treatment of images that cannot be read: ``error`` or ``skip``.
        cache: Cache folder for parsed files; by default ``.explainsal`` next to the data.
        decoded: Files to cache in decoded form: ``none``, ``maps`` or ``all`` (maps and pictures); see `Reading`.
        pin_memory: Page-locked batches, for asynchronous copies to the device; by default if CUDA is available.

    Raises:
        ValueError: If an option is out of range.
        UserError: If the data set has no such split.
    """

    name: str
    release: str | None = None
    source: Source | None = None
    fit_splits: tuple[str, str] = ("train", "val")
    published: tuple[str, ...] = ("train", "val", "test")
    published_eval: str = "test"
    secret: ClassVar[str | None] = None  # the published part without ground truth, for submissions
    whole: ClassVar[str] = "all"  # the published part that folds and named splits divide
    splits: ClassVar[Mapping[str, NamedSplit]] = {}
    grouped: ClassVar[bool] = False  # whether folds are stratified by image folder

    def __init__(
        self,
        root: str | Path,
        *,
        batch_size: int,
        num_workers: int | None = None,
        augmentation: Transform | BatchTransform | None = None,
        split: str | None = None,
        fold: int | None = None,
        folds: int = 10,
        eval_split: str | None = None,
        outside: Outside = "drop",
        unreadable: Unreadable = "error",
        cache: Path | None = None,
        decoded: Decoded = "none",
        pin_memory: bool | None = None,
    ) -> None:
        super().__init__()
        num_workers = min(8, count_cores() - 1) if num_workers is None else num_workers
        if batch_size < 1 or num_workers < 0:
            raise ValueError(f"batch_size must be positive and num_workers not negative: {batch_size}, {num_workers}")
        if split is not None and split not in self.splits:
            raise UserError(f"{self.name} has no split {split!r}: choose one of {[*self.splits]}, or null")
        self.root = Path(root)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.augmentation = augmentation
        self.division = Division(self.splits[split] if split else None, split, fold, folds, self.grouped)
        self.reading = Reading(outside, unreadable, Path(cache) if cache else None, decoded)
        self.pin_memory = torch.cuda.is_available() if pin_memory is None else pin_memory
        self._datasets: dict[str, SaliencyDataset] = {}
        self._parts: Parts | None = None
        self._undivided: SaliencyDataset | None = None
        self._eval_split = eval_split

    @abstractmethod
    def read(self, split: str) -> SaliencyDataset:
        """Find and index one published part on disk, without augmentation."""

    @property
    def eval_split(self) -> str:
        """Name of the split for the test loop."""
        if self._eval_split is not None:
            return self._eval_split
        if not self.divided:
            return self.published_eval
        return "test" if "test" in self.parts else "val"

    @property
    def chooses_eval_split(self) -> bool:
        """True if the option `eval_split` is given."""
        return self._eval_split is not None

    @property
    def divided(self) -> bool:
        """True if a named split or a fold replaces the published parts."""
        return self.division.split is not None or self.division.fold is not None

    @property
    def parts(self) -> Parts:
        """Train, val and possibly test part of a named split or fold, as positions in the part `whole`."""
        if self._parts is None:
            self._parts = self.division.divide(self._all().ids) if self.divided else {}
        return self._parts

    @property
    def needed(self) -> list[str]:
        """Names of the splits that training and testing read, or testing alone if the data set is undivided.

        If all images are tested, no training split is separate from them, and none is read.
        """
        fit = self.fit_splits if self.divided or self._eval_split != "all" else ()
        splits = dict.fromkeys((*fit, self.eval_split))
        return [split for split in splits if split in (*self.parts, *self.published) or split == self.eval_split]

    def dataset(self, split: str) -> SaliencyDataset:
        """Return the samples of one split as stored on disk, without augmentation; each split is indexed once.

        Raises:
            MissingFilesError: If files are missing; the message names their source.
            CorruptFileError: If a file cannot be read.
        """
        if split not in self._datasets:
            self._datasets[split] = self._dataset(split)
        return self._datasets[split]

    def prepare_data(self) -> None:
        """Check and index every needed split, once per machine, before the processes start."""
        for split in self.needed:
            self.dataset(split)
        self._warn_of_missing_fixations()

    def require_training_images(self) -> None:
        """Raise a UserError if there is no image to train on."""
        split = self.fit_splits[0]
        if not len(self.dataset(split)):
            raise UserError(
                f"{self.name}: the {split} split of {self.root} has no image to train on. Name images of it in "
                "splits.json, or divide the data set: data.fold=0 data.folds=10"
            )

    def _warn_of_missing_fixations(self) -> None:
        """Warn early if scores cannot be computed because fixations are missing."""
        tested = self.dataset(self.eval_split)
        if tested.has_density and not tested.fixated_images:
            log.warning(
                "%s %s has densities and no fixations: CC, SIM and KLD are computed; NSS, the AUCs and information "
                "gain need fixations and are left out",
                self.name,
                tested.split,
            )

    def setup(self, stage: str | None = None) -> None:
        """Index the splits of a stage (``fit``, ``validate``, ``test``, ``predict``) and log what they hold."""
        splits = self.fit_splits if stage == "fit" else (self.fit_splits[1],) if stage == "validate" else ()
        for split in splits or (self.eval_split,):
            self.dataset(split)
        log.info("%s", self.describe())

    def describe(self) -> str:
        """Describe the data set, its release, the splits indexed so far and the test split in one line."""
        release = f" (release {self.release})" if self.release else ""
        splits = [f"{split} {len(d):,} images" for split, d in self._datasets.items()]
        line = f"{self.name}{release}: {', '.join(splits) or 'nothing read yet'}; tested on {self.eval_split}"
        if self.divided:
            line = f"{line} ({self.division.describe()})"
        if self.fit_splits[1] == self.eval_split:
            line += ", as is validation, like in published tables"
        elif self.divided and self.eval_split == self.whole:
            line += ", which includes the training images"
        return line

    def train_dataloader(self) -> DataLoader[SaliencySample]:
        """Return shuffled, augmented batches; a smaller last batch is dropped, unless it is the only one."""
        dataset = self.dataset(self.fit_splits[0])
        return self.loader(dataset.with_transform(self.sample_transform), position=partial(find_position, self))

    @property
    def sample_transform(self) -> Transform | None:
        """The augmentation, if it changes one sample at a time."""
        return None if isinstance(self.augmentation, BatchTransform) else self.augmentation

    def own_sample_transform(self) -> Transform | None:
        """Return the augmentation of samples, for training on several data sets together.

        Raises:
            UserError: If the augmentation changes whole batches, which would mix data sets.
        """
        if isinstance(self.augmentation, BatchTransform):
            raise UserError(
                "data/augmentation=device changes whole batches of one data set: to train on several, choose another "
                "augmentation, e.g. data/augmentation=modest"
            )
        return self.augmentation

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment a training batch on its device, if the augmentation changes whole batches."""
        trainer = self.trainer
        if trainer is None or not trainer.training or not isinstance(self.augmentation, BatchTransform):
            return batch
        return self.augmentation(batch, seed=run_seed(), epoch=trainer.current_epoch)

    def val_dataloader(self) -> DataLoader[SaliencySample]:
        """Return the validation split in order."""
        return self.loader(self.dataset(self.fit_splits[1]))

    def test_dataloader(self) -> DataLoader[SaliencySample]:
        """Return the split that `eval_split` names, in order."""
        return self.loader(self.dataset(self.eval_split))

    def predict_dataloader(self) -> DataLoader[SaliencySample]:
        """Return the images of the test loop."""
        return self.test_dataloader()

    def _dataset(self, split: str) -> SaliencyDataset:
        if split in self.parts:
            return self._all().select(self.parts[split], split=self.division.label(split))
        if split not in self.published:
            ways = " or ".join([*(f"data.split={name}" for name in self.splits), "data.fold=0 data.folds=10"])
            raise UserError(
                f"{self.name} has no {split} split, only {' and '.join((*self.parts, *self.published))}. "
                f"To train on it, divide it: {ways}. "
                "To test only, leave out baselines that learn from a training split (evaluation.baselines=[chance])."
            )
        return self._all() if split == self.whole else self.read(split)

    def _all(self) -> SaliencyDataset:
        """Return the part that splits and folds divide."""
        if self._undivided is None:
            self._undivided = self.read(self.whole)
        return self._undivided

    def loader(
        self, dataset: SaliencyDataset | DomainSamples | SmallMixture, *, position: Position | None = None
    ) -> DataLoader[SaliencySample]:
        """Return batches of any samples with this module's options, in order.

        Args:
            position: For training, returns the epoch and the number of its finished batches. Batches are then shuffled
                by the run's seed and the epoch. A smaller last batch is dropped, unless images differ in size.
        """
        return make_loader(
            dataset, self.batch_size, num_workers=self.num_workers, pin_memory=self.pin_memory, position=position
        )

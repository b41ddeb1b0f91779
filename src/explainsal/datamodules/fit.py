"""Data module for training on a mixture of small images, with targets blended with a teacher's densities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from explainsal.data.cache import cache_folder
from explainsal.data.domains import DomainSamples
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.data.small import Predict, SmallMixture, SmallSamples, predict_densities, shrink_dataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.order import find_position
from explainsal.errors import UserError
from explainsal.models.saliency_model import SaliencyModel
from explainsal.types import DensityMap


class MixedSamples(DomainSamples):
    """Samples of several data sets in sequence, without domains; a batch mixes data sets if their sizes agree."""

    def __getitem__(self, index: int) -> SaliencySample:
        """Return the sample of a position, which is also its `index`."""
        return replace(super().__getitem__(index), domain=None)

    @property
    def sizes(self) -> list[tuple[int, ...]]:
        """Height and width of every image."""
        return [size[1:] for size in super().sizes]

    @property
    def ids(self) -> tuple[str, ...]:
        """Name of every image, preceded by the name of its data set if there are several."""
        several = len(self.domains) > 1
        return tuple(f"{name}/{i}" if several else i for name, data in self.domains.items() for i in data.ids)


class FitDataModule(L.LightningDataModule):
    """Data module with the shrunk training splits of several data sets and their validation splits at native size.

    Batch size and workers are those of the first data set. Each data set keeps its own augmentation, which is applied
    to the shrunk images.

    Args:
        sets: Name -> data module; evaluations use the first.
        size: Height and width of the shrunk training images.
        teacher: A trained network whose densities are part of the targets; None for none.
        share: The teacher's share of every target, 0 to 1; the rest is the fixation density.
        relabel: Whether the teacher predicts every augmented image, so that each crop gets a density of its own;
            otherwise it predicts each whole image once, and the augmentation changes this density with its image.
        device: Device of the teacher for whole images; default: the CPU.

    Raises:
        UserError: If the size is not two positive numbers, the share is outside [0, 1], the teacher is untrained, or
            images are to be relabeled without a teacher.
    """

    def __init__(
        self,
        sets: Mapping[str, SaliencyDataModule],
        *,
        size: Sequence[int],
        teacher: SaliencyModel | None = None,
        share: float = 0.5,
        relabel: bool = False,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        if len(size) != 2 or min(size) < 1:
            raise UserError(f"fit.size={list(size)}: two positive numbers are needed, [HEIGHT,WIDTH]")
        if not 0 <= share <= 1:
            raise UserError(f"fit.share={share}: the teacher's share of the target must be between 0 and 1")
        if teacher is not None and not teacher.trained:
            raise UserError("fit.teacher has no trained weights: give fit.teacher.weights=FILE")
        if relabel and (teacher is None or share == 0):
            raise UserError("fit.relabel=true needs a teacher with a share: +model@fit.teacher=unisal fit.share=0.5")
        self.sets = dict(sets)
        self.size = int(size[0]), int(size[1])
        self.teacher, self.share, self.relabel = teacher, share, relabel
        self.device = device or torch.device("cpu")
        self._first = next(iter(self.sets.values()))
        self._small: list[SmallSamples] | None = None
        self._quick_teacher: SaliencyModel | None = None

    def prepare_data(self) -> None:
        """Check and index every data set, and write the shrunk samples, once per machine."""
        for module in self.sets.values():
            module.prepare_data()
            module.require_training_images()
        self._samples()

    def train_dataloader(self) -> DataLoader[SaliencySample]:
        """Return shuffled, augmented batches of all training splits together."""
        pairs = zip(self._samples(), self.sets.values(), strict=True)
        parts = [samples.with_transform(module.own_sample_transform()) for samples, module in pairs]
        return self._first.loader(SmallMixture(parts), position=partial(find_position, self))

    def val_dataloader(self) -> DataLoader[SaliencySample]:
        """Return all validation splits at native size, one after another."""
        return self._first.loader(MixedSamples({n: m.dataset(m.fit_splits[1]) for n, m in self.sets.items()}))

    def on_after_batch_transfer(self, batch: SaliencyBatch, dataloader_idx: int) -> SaliencyBatch:
        """Let the teacher label a training batch after its augmentation, in the precision of the training."""
        trainer = self.trainer
        if self.teacher is None or not self.relabel or trainer is None or not trainer.training:
            return batch
        if self._quick_teacher is None:
            self._quick_teacher = self.teacher.for_prediction()
        teacher = self._quick_teacher.to(batch.images.device)
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            maps = teacher(batch.images)[:, 0].float()
        return blend(batch, maps, self.share)

    def _samples(self) -> list[SmallSamples]:
        if self._small is None:
            self._small = [self._shrunk(module) for module in self.sets.values()]
        return self._small

    def _shrunk(self, module: SaliencyDataModule) -> SmallSamples:
        dataset = module.dataset(module.fit_splits[0])
        folder = cache_folder(module.root, module.reading.cache)
        samples = shrink_dataset(dataset, self.size, folder)
        if self.teacher is None or self.share == 0 or self.relabel:
            return samples
        predict, identity = _make_predictor(self.teacher, self.device), describe_teacher(self.teacher)
        return samples.blended(predict_densities(dataset, predict, identity, self.size, folder), self.share)


def blend(batch: SaliencyBatch, maps: Tensor, share: float) -> SaliencyBatch:
    """Return a batch with a share of other maps ``(B, H, W)`` in its densities; both are divided by their sums first.

    A density without any mass, e.g. of a crop without fixations, is replaced by the map alone.
    """
    assert batch.density is not None
    own = batch.density.values.float()
    own, other = (values / values.sum((-2, -1), keepdim=True).clamp(min=1e-12) for values in (own, maps))
    weight = torch.where(own.sum((-2, -1), keepdim=True) > 0, share, 1.0)
    return replace(batch, density=DensityMap((1 - weight) * own + weight * other))


def describe_teacher(model: SaliencyModel) -> str:
    """Return an identifier of a teacher's stored densities: network, options, and size and time of the weight file."""
    stamp = ""
    if model.weights is not None and Path(model.weights).is_file():
        stat = Path(model.weights).stat()
        stamp = f"{stat.st_size} {stat.st_mtime_ns}"
    return f"{model.name} {sorted(model.options.items())} {model.weights} {stamp}"


def _make_predictor(model: SaliencyModel, device: torch.device) -> Predict:
    """Return the network as a function of one picture."""
    quick = model.for_prediction().to(device)

    @torch.inference_mode()
    def predict(picture: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        return quick(image.to(device))[0, 0].double().cpu().numpy()

    return predict

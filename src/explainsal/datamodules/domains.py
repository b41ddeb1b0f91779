"""Data module for training on several data sets at once, each as its own domain."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import lightning as L
from torch.utils.data import DataLoader

from explainsal.data.domains import DomainSamples
from explainsal.data.sample import SaliencySample
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.order import find_position


class DomainsDataModule(L.LightningDataModule):
    """Data module with batches of one domain each, in random order; every image occurs once per epoch.

    A domain with more images has more batches, as in UNISAL's training. Batch size and workers are those of the first
    module; each module keeps its own augmentation.

    Args:
        domains: Domain -> its data module; evaluations use the first.
    """

    def __init__(self, domains: Mapping[str, SaliencyDataModule]) -> None:
        super().__init__()
        self.domains = dict(domains)
        self._first = next(iter(self.domains.values()))

    def prepare_data(self) -> None:
        """Check and index every data set."""
        for module in self.domains.values():
            module.prepare_data()
            module.require_training_images()

    def train_dataloader(self) -> DataLoader[SaliencySample]:
        """Return shuffled, augmented batches of all training splits."""
        modules = self.domains.items()
        samples = {d: m.dataset(m.fit_splits[0]).with_transform(m.own_sample_transform()) for d, m in modules}
        return self._first.loader(DomainSamples(samples), position=partial(find_position, self))

    def val_dataloader(self) -> DataLoader[SaliencySample]:
        """Return all validation splits, one after another."""
        return self._first.loader(DomainSamples({d: m.dataset(m.fit_splits[1]) for d, m in self.domains.items()}))

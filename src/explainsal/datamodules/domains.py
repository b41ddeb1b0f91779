"""Training on several data sets at once, each a domain of its own."""

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
    """Batches of one domain each, those of all domains in random order, every image once per epoch.

    A domain with more images has more batches, as UNISAL was trained. Batch size and workers are the first module's;
    each keeps its own augmentation.

    Args:
        domains: Domain -> its data module; the first is the one that an evaluation looks at.
    """

    def __init__(self, domains: Mapping[str, SaliencyDataModule]) -> None:
        super().__init__()
        self.domains = dict(domains)
        self._first = next(iter(self.domains.values()))

    def prepare_data(self) -> None:
        """Check that every data set is there, and index it."""
        for module in self.domains.values():
            module.prepare_data()

    def train_dataloader(self) -> DataLoader[SaliencySample]:
        """Shuffled, augmented batches of all training splits."""
        modules = self.domains.items()
        samples = {d: m.dataset(m.fit_splits[0]).with_transform(m.own_sample_transform()) for d, m in modules}
        return self._first.loader(DomainSamples(samples), position=partial(find_position, self))

    def val_dataloader(self) -> DataLoader[SaliencySample]:
        """All validation splits, one after another."""
        return self._first.loader(DomainSamples({d: m.dataset(m.fit_splits[1]) for d, m in self.domains.items()}))

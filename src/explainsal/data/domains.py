"""Join several data sets, each as its own domain, for networks with parts for each domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch.utils.data import Dataset

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencySample


class DomainSamples(Dataset[SaliencySample]):
    """Samples of several data sets in sequence, each with the name of its domain.

    Args:
        domains: Domain -> its data set.
    """

    def __init__(self, domains: Mapping[str, SaliencyDataset]) -> None:
        self.domains = dict(domains)
        self._ends = np.cumsum([len(dataset) for dataset in domains.values()])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> SaliencySample:
        """Return the sample of a position, which is also its `index`."""
        index = range(len(self))[index]
        number = int(np.searchsorted(self._ends, index, side="right"))
        domain, dataset = list(self.domains.items())[number]
        sample = dataset[index - (int(self._ends[number]) - len(dataset))]
        return replace(sample, index=index, domain=domain)

    @property
    def sizes(self) -> list[tuple[int, ...]]:
        """Number of the domain, height and width of every image: a batch shares all three."""
        return [(i, *size) for i, dataset in enumerate(self.domains.values()) for size in dataset.sizes]

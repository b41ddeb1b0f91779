"""Several data sets as one: every sample keeps its content and gets its domain; batches are of one domain."""

from __future__ import annotations

import numpy as np
import pytest

from explainsal.data.domains import DomainSamples
from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.domains import DomainsDataModule
from explainsal.datamodules.synthetic import SyntheticDataModule

SIZES = {
    "SALICON": ((24, 32), {"train": 5, "val": 2, "test": 1}),
    "Hollywood": ((24, 40), {"train": 3, "val": 3, "test": 1}),
    "DHF1K": ((24, 32), {"train": 4, "val": 1, "test": 1}),
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("domains")
    modules = {
        domain: SyntheticDataModule(
            folder / domain, sizes=sizes, image_size=size, seed=i, batch_size=2, num_workers=0
        )
        for i, (domain, (size, sizes)) in enumerate(SIZES.items())
    }  # fmt: skip
    DomainsDataModule(modules).prepare_data()
    return modules


def test_samples_are_those_of_the_data_sets_with_their_domain_and_a_position_of_their_own(modules):
    datasets = {domain: module.dataset("train") for domain, module in modules.items()}
    joined = DomainSamples(datasets)
    expected = [(domain, dataset[i]) for domain, dataset in datasets.items() for i in range(len(dataset))]
    assert len(joined) == len(expected) == 12
    for i, (domain, sample) in enumerate(expected):
        assert (joined[i].id, joined[i].domain, joined[i].index) == (sample.id, domain, i)
        np.testing.assert_array_equal(joined[i].image, sample.image)
    assert joined[-1].index == 11
    with pytest.raises(IndexError):
        joined[12]


def test_batches_are_of_one_domain_in_random_order_and_hold_every_image_once(modules):
    batches = list(DomainsDataModule(modules).train_dataloader())
    sizes = {domain: size for domain, (size, _) in SIZES.items()}
    assert all(tuple(batch.images.shape[-2:]) == sizes[batch.domain] for batch in batches)
    assert sorted(i for batch in batches for i in batch.index.tolist()) == list(range(12))
    assert max(map(len, batches)) == 2
    module = DomainsDataModule(modules)  # each call is another epoch
    orders = {tuple(b.domain for b in module.train_dataloader()) for _ in range(5)}
    assert len(orders) > 1
    assert batches[0].to("cpu").domain == batches[0].domain


def test_validation_goes_through_all_domains(modules):
    batches = list(DomainsDataModule(modules).val_dataloader())
    assert sorted(i for batch in batches for i in batch.index.tolist()) == [*range(6)]
    assert {batch.domain for batch in batches} == set(SIZES)


def test_a_batch_of_two_domains_is_refused(modules):
    joined = DomainSamples({domain: modules[domain].dataset("train") for domain in ("SALICON", "DHF1K")})
    with pytest.raises(ValueError, match="share one domain, got"):
        SaliencyBatch.collate([joined[0], joined[5]])

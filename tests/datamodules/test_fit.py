"""Several data sets at one small size with a teacher: what a batch holds, what is validated, what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import albumentations as A
import numpy as np
import pytest
import torch
from lightning.pytorch.plugins.precision import Precision

from explainsal.data.augmentation import Augmentation
from explainsal.data.sample import SaliencyBatch
from explainsal.data.small import shrink_dataset, shrink_density
from explainsal.datamodules.fit import FitDataModule, blend, describe_teacher
from explainsal.datamodules.synthetic import SyntheticDataModule
from explainsal.errors import UserError
from explainsal.models import load_network
from explainsal.types import DensityMap

SIZE = (12, 16)
COUNTS = {"train": 6, "val": 2, "test": 1}


@pytest.fixture
def sets(tmp_path):
    def scenes(name, size, **options):
        return SyntheticDataModule(
            tmp_path / name, sizes=COUNTS, image_size=size, seed=len(name), batch_size=4, num_workers=0, **options
        )

    return {"data": scenes("one", (24, 32)), "other": scenes("three", (30, 36))}


@pytest.fixture
def teacher(tmp_path):
    model = load_network("cmrnet", width=4, input_size=(24, 32))
    torch.save(model.net.state_dict(), tmp_path / "teacher.pth")
    return model.load_weights(tmp_path / "teacher.pth")


def test_a_batch_mixes_the_data_sets_at_the_small_size(sets):
    fit = FitDataModule(sets, size=list(SIZE))
    fit.prepare_data()
    batches = list(fit.train_dataloader())
    assert [batch.images.shape for batch in batches] == [(4, 3, *SIZE)] * 3
    assert all(batch.domain is None and batch.fixations is None for batch in batches)
    first = shrink_dataset(sets["data"].dataset("train"), SIZE).images
    own = [[(first == image.permute(1, 2, 0).numpy()).all(axis=(1, 2, 3)).any() for image in b.images] for b in batches]
    assert sum(map(sum, own)) == 6
    assert any(0 < sum(batch) < 4 for batch in own)


def test_validation_is_of_every_image_at_native_size_and_of_people_alone(sets, teacher):
    fit = FitDataModule(sets, size=SIZE, teacher=teacher, share=1.0)
    fit.prepare_data()
    batches = list(fit.val_dataloader())
    assert {tuple(batch.images.shape[-2:]) for batch in batches} == {(24, 32), (30, 36)}
    assert sorted(i for batch in batches for i in batch.index.tolist()) == [0, 1, 2, 3]
    assert all(batch.fixations is not None for batch in batches)
    stored = sets["data"].dataset("val")[0].density
    np.testing.assert_array_equal(batches[0].density.values[0].numpy(), stored)


def test_a_target_is_of_people_and_teacher_by_the_share(sets, teacher):
    fit = FitDataModule({"data": sets["data"]}, size=SIZE, teacher=teacher, share=0.25)
    fit.prepare_data()
    dataset = sets["data"].dataset("train")
    people = shrink_dataset(dataset, SIZE).densities
    image = torch.from_numpy(dataset[3].image.transpose(2, 0, 1).copy())[None]
    with torch.no_grad():
        density = shrink_density(teacher(image)[0, 0].numpy(), SIZE)
    target = fit.train_dataloader().dataset[3].density
    np.testing.assert_allclose(target, 0.75 * people[3] + 0.25 * density, rtol=1e-4, atol=1e-7)


def test_each_data_set_keeps_its_augmentation(sets, tmp_path):
    sets["data"].augmentation = Augmentation({"flip": A.HorizontalFlip(p=1)})
    fit = FitDataModule(sets, size=SIZE)
    fit.prepare_data()
    plain = [shrink_dataset(module.dataset("train"), SIZE) for module in sets.values()]
    mixture = fit.train_dataloader().dataset
    np.testing.assert_array_equal(mixture[2].image, plain[0].images[2][:, ::-1])
    np.testing.assert_array_equal(mixture[6 + 2].image, plain[1].images[2])


def test_a_teacher_is_known_by_its_weights(teacher, tmp_path):
    before = describe_teacher(teacher)
    torch.save({**teacher.net.state_dict(), "more": torch.zeros(9)}, tmp_path / "teacher.pth")
    assert describe_teacher(teacher) != before


@pytest.mark.parametrize(("options", "message"), [
    ({"size": [12]}, "two positive numbers"),
    ({"size": [0, 16]}, "two positive numbers"),
    ({"share": 1.5}, "between 0 and 1"),
    ({"teacher": "untrained"}, "no trained weights"),
])  # fmt: skip
def test_wrong_options_are_refused(sets, options, message):
    if "teacher" in options:
        options = {"teacher": load_network("cmrnet", width=4)}
    with pytest.raises(UserError, match=message):
        FitDataModule(sets, **{"size": SIZE} | options)


def test_relabeling_shows_the_teacher_the_augmented_image(sets, teacher):
    sets["data"].augmentation = Augmentation({"flip": A.HorizontalFlip(p=1)})
    fit = FitDataModule({"data": sets["data"]}, size=SIZE, teacher=teacher, share=0.25, relabel=True)
    fit.prepare_data()
    given = next(iter(fit.train_dataloader()))
    fit.trainer = SimpleNamespace(training=True, precision_plugin=Precision())
    target = fit.on_after_batch_transfer(given, 0).density.values
    with torch.no_grad():
        seen = teacher(given.images)[:, 0]
    density = seen / seen.sum((-2, -1), keepdim=True)
    torch.testing.assert_close(target, 0.75 * given.density.values + 0.25 * density, rtol=1e-4, atol=1e-7)
    fit.trainer.training = False  # a validation batch
    assert fit.on_after_batch_transfer(given, 0) is given


def test_a_crop_without_fixations_gets_the_label_of_the_teacher_alone():
    densities = DensityMap(torch.tensor([[[0.0, 0.0]], [[1.0, 3.0]]]))
    batch = SaliencyBatch(("a", "b"), torch.arange(2), torch.zeros(2, 3, 1, 2, dtype=torch.uint8), None, densities)
    target = blend(batch, torch.tensor([[[1.0, 1.0]], [[2.0, 2.0]]]), 0.5).density.values
    torch.testing.assert_close(target, torch.tensor([[[0.5, 0.5]], [[0.375, 0.625]]]))


def test_relabeling_needs_a_teacher_with_a_share(sets, teacher):
    with pytest.raises(UserError, match="needs a teacher"):
        FitDataModule(sets, size=SIZE, relabel=True)
    with pytest.raises(UserError, match="needs a teacher"):
        FitDataModule(sets, size=SIZE, teacher=teacher, share=0.0, relabel=True)

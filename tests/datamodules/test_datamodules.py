"""The data modules: which images each loop sees, what a batch holds, and how a missing data set ends."""

import os
import pickle
import subprocess
import sys
import time
from types import SimpleNamespace

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from tests.data.conftest import coco_names, write_salicon
from torch.utils.data import DataLoader, DistributedSampler

from explainsal.data.augmentation import Augmentation
from explainsal.data.device_augmentation import DeviceAugmentation
from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.domains import DomainsDataModule
from explainsal.datamodules.fit import FitDataModule
from explainsal.datamodules.folder import FolderDataModule
from explainsal.datamodules.osie import OSIEDataModule
from explainsal.datamodules.salicon import SaliconDataModule
from explainsal.datamodules.synthetic import SyntheticDataModule
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

COUNTS = {"train": 7, "val": 3, "test": 2}


@pytest.fixture
def synthetic(tmp_path):
    options = {"sizes": COUNTS, "image_size": (24, 32), "seed": 0, "batch_size": 2, "num_workers": 0}
    return lambda **changes: SyntheticDataModule(tmp_path / "synthetic", **options | changes)


def test_batches_are_augmented_on_their_device_in_training_alone(synthetic):
    flip = DeviceAugmentation(flip=1.0, affine=0.0, photometric=0.0, zoom=1.0, rotate=0.0)
    module = synthetic(augmentation=flip, batch_size=2)
    batch = next(iter(module.train_dataloader()))
    assert module.sample_transform is None
    for training, expected in ((True, batch.images.flip(3)), (False, batch.images)):
        module.trainer = SimpleNamespace(training=training, current_epoch=1)
        assert torch.equal(module.on_after_batch_transfer(batch, 0).images, expected)
    with pytest.raises(UserError, match="data/augmentation=device"):
        module.own_sample_transform()


@pytest.fixture
def salicon(tmp_path):
    root = tmp_path / "salicon"
    for split, count in {"train": 9, "val": 4, "test": 2}.items():
        write_salicon(root, split, coco_names(split, count))
    options = {"release": "2017", "batch_size": 2, "num_workers": 0}
    return lambda **changes: SaliconDataModule(root, **options | changes)


def ids(loader: DataLoader) -> list[str]:
    return [name for batch in loader for name in batch.ids]


def test_sizes_that_a_shell_took_apart_are_refused(synthetic):
    with pytest.raises(ValueError, match="sizes=train:2 must give a number of images per split.*quote"):
        synthetic(sizes="train:2")


def test_a_batch_has_native_uint8_images_and_both_kinds_of_ground_truth(synthetic):
    batch = next(iter(synthetic().test_dataloader()))
    assert isinstance(batch, SaliencyBatch)
    assert (batch.images.shape, batch.images.dtype) == ((2, 3, 24, 32), torch.uint8)
    assert batch.density.values.shape == (2, 24, 32)
    assert batch.fixations.per_image().min() >= 45
    assert batch.index.tolist() == [0, 1]


def test_loops_see_their_splits(synthetic):
    module = synthetic()
    assert len(ids(module.val_dataloader())) == 3
    assert len(ids(module.test_dataloader())) == len(ids(module.predict_dataloader())) == 2
    assert all("_test_" in name for name in ids(module.test_dataloader()))
    train = ids(module.train_dataloader())
    assert len(train) == len(set(train)) == 6  # 7 in batches of 2: the odd one waits for the next epoch
    assert ids(module.train_dataloader()) != train
    assert len(ids(synthetic(batch_size=8).train_dataloader())) == 7
    assert (module.name, module.release, module.eval_split) == ("synthetic", "v2-seed0", "test")


def test_only_training_images_are_augmented(synthetic):
    flip = Augmentation({"flip": A.HorizontalFlip(p=1)})
    module = synthetic(augmentation=flip, batch_size=1)
    for loader, flipped in ((module.train_dataloader(), True), (module.val_dataloader(), False)):
        batch = next(iter(loader))
        stored = module.dataset("train" if flipped else "val")[int(batch.index)].image
        expected = stored[:, ::-1] if flipped else stored
        np.testing.assert_array_equal(batch.images[0].permute(1, 2, 0).numpy(), expected)


def test_salicon_reports_val_and_can_hold_out_training_images(salicon):
    module = salicon()
    module.prepare_data()
    assert ids(module.test_dataloader()) == ids(module.val_dataloader()) == coco_names("val", 4)
    assert "tested on val, as is validation" in module.describe()
    apart = salicon(holdout=3)
    held = ids(apart.val_dataloader())
    trained = ids(apart.train_dataloader())
    assert len(held) == 3
    assert set(held) | set(trained) == set(coco_names("train", 9))
    assert set(held).isdisjoint(trained)
    assert ids(salicon(holdout=3).val_dataloader()) == held
    assert ids(apart.test_dataloader()) == coco_names("val", 4)
    assert "as is validation" not in apart.describe()
    with pytest.raises(ValueError, match="holdout"):
        salicon(holdout=9).train_dataloader()


def test_salicon_predicts_its_test_split_but_cannot_evaluate_it(salicon):
    module = salicon(eval_split="test")
    batch = next(iter(module.predict_dataloader()))
    assert batch.ids == tuple(coco_names("test", 2))
    assert batch.fixations is None
    assert batch.density is None
    with pytest.raises(UserError, match="no ground truth"):
        module.dataset("test").all_fixations()


def test_osie(shared, tmp_path):
    module = OSIEDataModule(shared / "data" / "osie", batch_size=4, num_workers=0, cache=tmp_path)
    module.prepare_data()
    batch = next(iter(module.test_dataloader()))
    assert batch.images.shape == (4, 3, 600, 800)
    assert batch.ids == ("1401", "1402", "1403", "1404")
    assert "train 350 images, val 50 images, test 100 images" in module.describe()


@pytest.mark.parametrize("kind", [OSIEDataModule, SaliconDataModule])
def test_a_missing_data_set_ends_within_a_second(tmp_path, kind):
    start = time.perf_counter()
    release = {"release": "2017"} if kind is SaliconDataModule else {}
    with pytest.raises(MissingFilesError, match="data=synthetic"):
        kind(tmp_path / "nothing", batch_size=1, num_workers=0, **release).prepare_data()
    assert time.perf_counter() - start < 1


def write_pictures(folder, sizes):
    for number, size in enumerate(sizes):
        path = folder / f"{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((*size, 3), number, np.uint8))


def test_a_folder_of_mixed_sizes_in_batches_of_one_size(tmp_path):
    write_pictures(tmp_path, [(4, 6), (6, 4), (4, 6), (4, 6), (6, 4)])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._hidden.png").write_text("no picture")
    batches = list(FolderDataModule(tmp_path, batch_size=2, num_workers=0).predict_dataloader())
    assert sorted(name for b in batches for name in b.ids) == ["0/0", "0/3", "1/1", "1/4", "2/2"]
    assert {b.images.shape[1:] for b in batches} == {(3, 4, 6), (3, 6, 4)}
    assert len(batches) == 3
    for batch in batches:
        assert [int(image.max()) for image in batch.images] == [int(name[-1]) for name in batch.ids]


def test_an_empty_training_part_is_refused_alone_and_beside_others(tmp_path, synthetic):
    write_pictures(tmp_path / "images", [(4, 6)] * 2)
    (tmp_path / "fixations.csv").write_text("image,x,y\n0/0.png,1,1\n1/1.png,2,2\n")
    (tmp_path / "splits.json").write_text('{"train": [], "val": ["0/0.png"], "test": ["1/1.png"]}')
    empty = FolderDataModule(tmp_path, batch_size=1, num_workers=0, density_sigma=2.0)
    empty.prepare_data()  # to test on it, it needs no training image
    full = synthetic()
    full.require_training_images()
    together = [DomainsDataModule({"a": full, "b": empty}), FitDataModule({"a": full, "b": empty}, size=(8, 8))]
    for refused in (empty.require_training_images, *(module.prepare_data for module in together)):
        with pytest.raises(UserError, match="the train split of .* has no image to train on"):
            refused()


def test_a_single_picture_and_equal_stems(tmp_path):
    write_pictures(tmp_path, [(4, 6)])
    batch = next(iter(FolderDataModule(tmp_path / "0" / "0.png", batch_size=1, num_workers=0).predict_dataloader()))
    assert batch.ids == ("0",)
    cv2.imwrite(str(tmp_path / "0" / "0.jpg"), np.zeros((4, 6, 3), np.uint8))
    assert FolderDataModule(tmp_path, batch_size=1, num_workers=0).dataset("all").ids == ("0/0.jpg", "0/0.png")


def test_folder_errors(tmp_path):
    with pytest.raises(UserError, match=r"image=photo\.jpg"):
        FolderDataModule(None, batch_size=1)
    with pytest.raises(MissingFilesError, match=r"nowhere\.jpg"):
        FolderDataModule(tmp_path / "nowhere.jpg", batch_size=1).setup("predict")
    with pytest.raises(MissingFilesError, match="no pictures"):
        FolderDataModule(tmp_path, batch_size=1).setup("predict")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not really")
    with pytest.raises(CorruptFileError, match=r"broken\.jpg"):
        FolderDataModule(tmp_path, batch_size=1).setup("predict")
    with pytest.raises(UserError, match="no train split"):
        FolderDataModule(tmp_path, batch_size=1).dataset("train")


@pytest.mark.parametrize("sigma", [0, -1.0])
def test_a_blur_of_nothing_is_refused(tmp_path, sigma):
    with pytest.raises(UserError, match=r"data\.density_sigma=.*must be positive"):
        FolderDataModule(tmp_path, batch_size=1, density_sigma=sigma)


def test_a_damaged_picture_is_one_clear_message_from_a_worker_too(tmp_path):
    write_pictures(tmp_path, [(40, 60)] * 3)
    picture = tmp_path / "1" / "1.png"
    picture.write_bytes(picture.read_bytes()[:-30])
    messages = []
    for workers in (0, 1):
        with pytest.raises(CorruptFileError) as error:
            list(FolderDataModule(tmp_path, batch_size=1, num_workers=workers).predict_dataloader())
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"cannot read the picture {picture}")


def test_wrong_loader_settings(synthetic):
    with pytest.raises(ValueError, match="batch_size"):
        synthetic(batch_size=0)
    with pytest.raises(ValueError, match="num_workers"):
        synthetic(num_workers=-1)


def test_worker_processes_yield_the_same_batches(synthetic):
    for alone, helped in zip(synthetic().val_dataloader(), synthetic(num_workers=2).val_dataloader(), strict=True):
        assert alone.ids == helped.ids
        assert torch.equal(alone.images, helped.images)
        assert torch.equal(alone.fixations.x, helped.fixations.x)


def test_batches_for_training_can_be_made_anew_with_another_sampler(synthetic):
    """As Lightning does in a distributed run, where it did not see how they were made."""
    module = synthetic()
    loader = module.loader(module.dataset("train"), position=lambda: (3, 1))
    shares = [DistributedSampler(loader.dataset, 2, rank) for rank in range(2)]
    old = loader.batch_sampler
    parts = [list(type(old)(share, batch_size=old.batch_size, drop_last=old.drop_last)) for share in shares]
    together = sorted(batch for part in parts for batch in part)
    assert {epoch for batch in together for epoch, _ in batch} == {3}
    assert len(together) == 2  # the first batch of each process is done
    assert list(old)[1] in together
    assert pickle.loads(pickle.dumps(loader.dataset)).position is None


TWO_PROCESSES = """
import faulthandler, itertools, sys, torch, lightning as L
from explainsal.datamodules.domains import DomainsDataModule
from explainsal.datamodules.fit import FitDataModule
from explainsal.datamodules.folder import FolderDataModule

LIMIT = 100  # seconds of a loop, a hundred times what it takes: processes that wait for each other say where, and end

class Recorder(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
    def setup(self, stage):
        assert torch.distributed.get_world_size() == 2
        faulthandler.dump_traceback_later(LIMIT, exit=True)
    def training_step(self, batch, batch_idx):
        torch.save(batch.ids, f"{sys.argv[2]}/fit-{self.current_epoch}-{self.global_rank}-{batch_idx}.pt")
        return self.weight * batch.images.float().mean()
    def test_step(self, batch, batch_idx):
        torch.save(batch.ids, f"{sys.argv[2]}/test-0-{self.global_rank}-{batch_idx}.pt")
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

module = FolderDataModule(sys.argv[1], batch_size=2, num_workers=0)
module.setup("test")
trainer = L.Trainer(accelerator="cpu", devices=2, strategy="ddp_fork", max_epochs=2, logger=False,
                    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer.test(Recorder(), dataloaders=module.test_dataloader())
epochs = itertools.count()
trainer.fit(Recorder(), train_dataloaders=module.loader(module.dataset("all"), position=lambda: (next(epochs), 0)))
"""


@pytest.mark.slow
def test_two_processes_share_a_folder_of_mixed_sizes(tmp_path):
    write_pictures(tmp_path / "pictures", [(4, 6)] * 5 + [(6, 4)] * 2)
    (tmp_path / "seen").mkdir()
    (tmp_path / "script.py").write_text(TWO_PROCESSES)
    # Forked, for on a machine that is full each import of torch and Lightning takes a minute. The time limit is
    # within the script, where the import is over.
    command = [sys.executable, "script.py", "pictures", "seen"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PL_GLOBAL_SEED": "0"}
    subprocess.run(command, cwd=tmp_path, check=True, env=environment)
    every = ["0/0", "0/3", "0/6", "1/1", "1/4", "2/2", "2/5"]
    orders = []
    for loop in ("test-0", "fit-0", "fit-1"):
        files = sorted((tmp_path / "seen").glob(f"{loop}-*.pt"))
        assert [f.stem.removeprefix(loop) for f in files] == ["-0-0", "-0-1", "-1-0", "-1-1"]
        orders.append([torch.load(f) for f in files])
        assert sorted(name for batch in orders[-1] for name in batch) == every
    assert orders[1] != orders[2]

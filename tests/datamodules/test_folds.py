"""Cross-validation and named splits in the data modules: who trains, validates and tests, and what is printed."""

import csv

import pytest
import torch
from tests.data.lookalikes.cat2000 import write_cat2000
from tests.data.lookalikes.mit300 import write_mit300
from tests.data.lookalikes.osie import write_osie
from tests.data.lookalikes.pascal_s import write_pascal_s
from tests.data.lookalikes.pictures import write_picture
from tests.data.lookalikes.salicon import coco_names, write_salicon
from tests.data.lookalikes.toronto import write_toronto

from explainsal.datamodules.cat2000 import CAT2000DataModule
from explainsal.datamodules.folder import FolderDataModule
from explainsal.datamodules.mit300 import MIT300DataModule
from explainsal.datamodules.mit1003 import MIT1003DataModule
from explainsal.datamodules.osie import OSIEDataModule
from explainsal.datamodules.pascal_s import PASCALSDataModule
from explainsal.datamodules.salicon import SaliconDataModule
from explainsal.datamodules.toronto import TorontoDataModule
from explainsal.errors import UserError

OPTIONS = {"batch_size": 2, "num_workers": 0}


@pytest.fixture(scope="module")
def toronto(tmp_path_factory):
    root = tmp_path_factory.mktemp("toronto")
    write_toronto(root)
    return root


def ids(loader):
    return [name for batch in loader for name in batch.ids]


def test_each_fold_tests_other_images_and_trains_on_none_of_them(toronto):
    tested = []
    for fold in range(4):
        module = TorontoDataModule(toronto, fold=fold, folds=4, **OPTIONS)
        module.prepare_data()
        module.setup("fit")
        parts = [set(module.dataset(split).ids) for split in ("train", "val", "test")]
        assert set.union(*parts) == set(map(str, range(1, 12)))
        assert sum(map(len, parts)) == 11
        assert ids(module.test_dataloader()) == list(module.dataset("test").ids)
        assert module.dataset("test").split == f"test fold {fold} of 4"
        assert f"tested on test (cross-validation, fold {fold} of 4)" in module.describe()
        tested += ids(module.test_dataloader())
    assert sorted(tested) == sorted(map(str, range(1, 12)))


def test_a_test_set_is_tested_whole_and_says_how_to_train_on_it(toronto):
    module = TorontoDataModule(toronto, **OPTIONS)
    module.prepare_data()
    module.setup("test")
    assert len(ids(module.test_dataloader())) == 11
    assert module.needed == ["all"]
    with pytest.raises(UserError, match=r"toronto has no train split, only all.*data\.fold=0 data\.folds=10"):
        module.train_dataloader()
    with pytest.raises(UserError, match=r"no split 'unisal'"):
        TorontoDataModule(toronto, split="unisal", **OPTIONS)
    with pytest.raises(UserError, match="numbered 0 to 2"):
        TorontoDataModule(toronto, fold=3, folds=3, **OPTIONS).prepare_data()


def test_all_images_of_a_divided_set_include_those_trained_on(toronto):
    module = TorontoDataModule(toronto, fold=0, folds=3, eval_split="all", **OPTIONS)
    module.prepare_data()
    assert len(module.dataset("all")) == 11
    assert "which includes the training images" in module.describe()


def test_salicon_s_folds_divide_its_training_images(tmp_path):
    for split, count in {"train": 9, "val": 2, "test": 1}.items():
        write_salicon(tmp_path, split, coco_names(split, count))
    module = SaliconDataModule(tmp_path, release="2017", fold=1, folds=3, **OPTIONS)
    module.prepare_data()
    parts = [module.dataset(split).ids for split in ("train", "val", "test")]
    assert [len(p) for p in parts] == [3, 3, 3]
    assert sorted(sum(parts, ())) == coco_names("train", 9)
    assert module.eval_split == "test"
    with pytest.raises(ValueError, match="holdout"):
        SaliconDataModule(tmp_path, release="2017", fold=1, holdout=2, **OPTIONS)


def test_cat2000_s_folds_have_a_share_of_every_category(tmp_path):
    write_cat2000(tmp_path)
    module = CAT2000DataModule(tmp_path, fold=0, folds=4, **OPTIONS)
    module.prepare_data()
    assert sorted(name.split("/")[0] for name in module.dataset("test").ids) == ["Action", "BlackWhite", "Satelite"]
    official = CAT2000DataModule(tmp_path, eval_split="test", **OPTIONS)
    official.prepare_data()
    assert len(ids(official.predict_dataloader())) == 12
    with pytest.raises(UserError, match="no ground truth"):
        official.dataset("test").all_fixations()
    with pytest.raises(UserError, match=r"all 2000 images, but 12 exist"):
        CAT2000DataModule(tmp_path, split="msinet", **OPTIONS).prepare_data()


def test_mit1003_by_unisal_s_name(tmp_path, shared):
    with (shared / "fixtures" / "datasets" / "mit1003_names_sizes.csv").open() as file:
        names = [row["stem"] for row in csv.DictReader(file)]

    for k, name in enumerate(names):
        if k == 0:
            write_picture(tmp_path / "ALLSTIMULI" / f"{name}.jpeg", (8, 8))
            picture = (tmp_path / "ALLSTIMULI" / f"{name}.jpeg").read_bytes()
            write_picture(tmp_path / "ALLFIXATIONMAPS" / f"{name}_fixPts.jpg", (8, 8), gray=True)
            points = (tmp_path / "ALLFIXATIONMAPS" / f"{name}_fixPts.jpg").read_bytes()
        (tmp_path / "ALLSTIMULI" / f"{name}.jpeg").write_bytes(picture)
        for ending in ("fixPts", "fixMap"):
            (tmp_path / "ALLFIXATIONMAPS" / f"{name}_{ending}.jpg").write_bytes(points)
    options = {"ground_truth": "maps", **OPTIONS}
    module = MIT1003DataModule(tmp_path, split="unisal", fold=3, **options)
    module.prepare_data()
    assert [len(module.dataset(split)) for split in ("train", "val")] == [902, 101]
    assert (module.eval_split, module.dataset("val").split) == ("val", "unisal val fold 3")
    assert "(unisal, fold 3), as is validation, like in published tables" in module.describe()
    assert "(release maps)" in module.describe()
    assert len(MIT1003DataModule(tmp_path, split="pysaliency", **options).dataset("test")) == 101
    assert len(MIT1003DataModule(tmp_path, **options).dataset("all")) == 1003


def test_mit300_is_predicted_and_never_scored(tmp_path):
    write_mit300(tmp_path)
    module = MIT300DataModule(tmp_path, **OPTIONS)
    module.prepare_data()
    module.setup("predict")
    batches = list(module.predict_dataloader())
    assert sorted(name for batch in batches for name in batch.ids) == sorted(f"i{n}" for n in range(1, 12))
    assert all(batch.fixations is None for batch in batches)
    with pytest.raises(UserError, match="no ground truth"):
        module.dataset("test").all_fixations()
    with pytest.raises(UserError, match="mit300 has no ground truth.*not public"):
        module.train_dataloader()


def test_osie_and_pascal_s(tmp_path):
    write_osie(tmp_path / "osie", range(1340, 1370))
    fold = OSIEDataModule(tmp_path / "osie", fold=0, folds=5, **OPTIONS)
    fold.prepare_data()
    assert len(fold.dataset("test")) == 6
    with pytest.raises(UserError, match="all 700 images"):
        OSIEDataModule(tmp_path / "osie", split="msinet", **OPTIONS).prepare_data()
    write_pascal_s(tmp_path / "pascal_s")
    module = PASCALSDataModule(tmp_path / "pascal_s", density_sigma=3.0, **OPTIONS)
    module.prepare_data()
    assert all(torch.isfinite(batch.density.values).all() for batch in module.test_dataloader())


def test_a_folder_with_parts_of_its_own(tmp_path):
    for k in range(6):
        write_picture(tmp_path / "images" / f"{k}.png", (12, 16), k)
    (tmp_path / "fixations.csv").write_text("image,x,y\n" + "".join(f"{k},{k}.5,3\n" for k in range(6)))
    (tmp_path / "splits.json").write_text('{"train": ["0", "1", "2"], "val": ["3"], "test": ["5", "4"]}')
    module = FolderDataModule(tmp_path, density_sigma=2.0, **OPTIONS)
    module.prepare_data()
    module.setup("fit")
    assert ids(module.val_dataloader()) == ["3"]
    assert ids(module.test_dataloader()) == ["5", "4"]
    assert next(iter(module.train_dataloader())).density.values.shape == (2, 12, 16)
    fold = FolderDataModule(tmp_path, fold=2, folds=3, density_sigma=2.0, **OPTIONS)
    assert len(ids(fold.test_dataloader())) == 2
    (tmp_path / "splits.json").unlink()
    assert len(ids(FolderDataModule(tmp_path, **OPTIONS).test_dataloader())) == 6

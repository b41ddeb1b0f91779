"""The prepare command: generates, counts beside the published numbers, and names damaged files."""

import pytest
from hydra import compose, initialize_config_dir
from tests.data.conftest import coco_names, write_salicon

from explainsal.cli import conf_dir
from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.prepare import prepare


def config(*overrides: str):
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("prepare", overrides=[*overrides])


@pytest.fixture
def synthetic(tmp_path):
    sizes = [f"data.sizes.{split}={count}" for split, count in {"train": 3, "val": 2, "test": 2}.items()]
    return config("data=synthetic", f"data.root={tmp_path}/synthetic", "data.image_size=[24,32]", *sizes)


def test_synthetic_scenes_are_generated_and_counted(synthetic, capsys):
    checks = prepare(synthetic)
    assert [(c.split, c.images, c.sizes, c.damaged) for c in checks] == [
        ("train", 3, ((24, 32),), ()), ("val", 2, ((24, 32),), ()), ("test", 2, ((24, 32),), ())
    ]  # fmt: skip
    assert all(c.fixations >= 90 for c in checks)
    assert "24 x 32" in capsys.readouterr().out


def test_osie_has_the_published_counts(shared, tmp_path):
    checks = prepare(config("data=osie", f"data.root={shared}/data/osie"))
    assert [c.fixations for c in checks] == [c.published_fixations for c in checks] == [48_793, 6_943, 14_140]
    assert not any(c.remarks for c in checks)


def test_a_part_of_salicon_is_told_from_the_whole(tmp_path, capsys):
    root = tmp_path / "salicon"
    write_salicon(root, "train", coco_names("train", 4))
    write_salicon(root, "val", coco_names("val", 2))
    checks = prepare(config("data=salicon", f"data.root={root}"))
    assert [c.split for c in checks] == ["train", "val"]  # the test split is for submissions only
    assert checks[0].remarks[0] == "4 images, published 10,000"
    assert checks[0].remarks[1] == "20 fixations, published 4,598,112"
    assert "not comparable" in capsys.readouterr().out


def test_a_missing_data_set(tmp_path):
    with pytest.raises(MissingFilesError, match=r"1g8j-hTT-51IG1UFwP0xTGhLdgIUCW5e5"):
        prepare(config("data=salicon", f"data.root={tmp_path}/none"))


def test_damaged_files_are_named_on_request(synthetic, tmp_path):
    prepare(synthetic)
    root = tmp_path / "synthetic"
    picture = root / "images" / "val" / "synthetic_val_000001.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(whole[: len(whole) * 3 // 4])  # the header is intact
    synthetic.decode = True
    with pytest.raises(CorruptFileError, match=r"1 damaged files:\n.*synthetic_val_000001\.jpg"):
        prepare(synthetic)

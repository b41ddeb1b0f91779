"""Pictures of several sizes: the files of a run are the same for any number of threads."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tests.threads import threads

from explainsal.datamodules.folder import FolderDataModule
from explainsal.explanation.run import ExplanationRun
from explainsal.models import SaliencyModel
from explainsal.models.cmrnet import CMRNet
from explainsal.workflows.explaining import explain_pictures

SIZES = (48, 64), (64, 48), (40, 72)


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, size in enumerate(SIZES):
        pixels = np.random.default_rng(number).integers(0, 256, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
        photo = Image.fromarray(pixels).resize((size[1], size[0]))
        photo.save(tmp_path / "photos" / f"photo{number}.png")
    return FolderDataModule(tmp_path / "photos", batch_size=1, num_workers=0).dataset("all")


def explained(pictures, folder, count):
    with threads(count):
        run = ExplanationRun("sparse", folder / "explanation", options={"layers": "conv", "top_k": 2})
        torch.manual_seed(0)
        model = SaliencyModel(CMRNet(2), name="cmrnet", options={}, input_size=(32, 48)).eval()
        explain_pictures(folder, model, pictures, run)
    return folder


def test_two_threads_write_the_same_files_as_one(pictures, tmp_path, capsys):
    one, two = (explained(pictures, tmp_path / str(count), count) for count in (1, 2))
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert len([path for path in files if path.suffix == ".png"]) == 2 * len(SIZES)
    for path in files:
        if path.suffix == ".parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(one / path), pd.read_parquet(two / path), check_exact=True)
        elif path.suffix in (".png", ".csv"):
            assert (one / path).read_bytes() == (two / path).read_bytes(), path
        else:
            arrays, others = np.load(one / path), np.load(two / path)
            assert all(np.array_equal(arrays[name], others[name]) for name in arrays.files), path
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed if line.startswith("photo")] == 2 * ["photo0", "photo1", "photo2"]

"""predict submission=... and mode=check as a user runs them: the right images, densities on request, kill -9."""

import re
import shutil
import signal
import time
import zipfile

import h5py
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from scipy.special import logsumexp
from tests.commands import run, start
from tests.data.lookalikes.cat2000 import write_cat2000
from tests.data.lookalikes.mit300 import write_mit300
from tests.data.lookalikes.pictures import write_picture
from tests.data.lookalikes.salicon import coco_names, write_salicon

from explainsal.app.cli import conf_dir
from explainsal.classical.center_gaussian import CenterGaussian
from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.models.unisal import UNISALModel, build
from explainsal.predict import predict
from explainsal.reporting.submissions.form import Submission
from explainsal.workflows import prediction
from explainsal.workflows.postprocessing import Postprocessing
from explainsal.workflows.prediction import submission_values
from explainsal.workflows.submissions import SubmissionOptions


def config(command, tmp_path, *overrides):
    fixed = [f"paths.outputs={tmp_path}/outputs", f"paths.output={tmp_path}/run"]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose(command, overrides=[*fixed, "data.num_workers=0", *overrides])


@pytest.fixture
def mit300(tmp_path):
    write_mit300(tmp_path / "mit300", 4)
    here = ("data=mit300", f"data.root={tmp_path}/mit300", "submission.partial=true")
    return (*here, "model=center_gaussian", "submission=tuebingen")


def test_mit300_as_densities(tmp_path, mit300, capsys):
    path = predict(config("predict", tmp_path, *mit300, "submission.density=sum", "submission.uniform=0.1"))
    assert path == tmp_path / "outputs/submissions/mit300/center_gaussian-density.hdf5"
    assert "natural logarithms of 0.9 map / sum + 0.1 uniform" in capsys.readouterr().out
    sizes = {"i1.jpg": (30, 40), "i2.jpg": (30, 40), "i3.jpg": (40, 28), "i4.jpg": (30, 40)}
    with h5py.File(path) as file:
        assert {name: item.shape for name, item in file.items()} == sizes
        for name, size in sizes.items():
            expected = CenterGaussian()(torch.zeros(1, 3, *size))[0, 0].double().numpy()
            expected = 0.9 * expected / expected.sum() + 0.1 / expected.size
            np.testing.assert_allclose(np.exp(file[name][()]), expected, rtol=1e-5)


def test_densities_of_maps_have_to_be_asked_for(tmp_path, mit300):
    with pytest.raises(UserError, match=r"center_gaussian returns maps.*kind=map.*density=sum"):
        predict(config("predict", tmp_path, *mit300))
    with pytest.raises(UserError, match="must be between 0 and 1"):
        predict(config("predict", tmp_path, *mit300, "submission.density=sum", "submission.uniform=2"))
    with pytest.raises(UserError, match="submission: 8 bits cannot hold"):
        predict(config("predict", tmp_path, *mit300, "submission.file=png"))
    assert not list((tmp_path / "outputs").rglob("*.hdf5*"))


def test_images_that_are_missing_on_disk_are_counted_before_anything_is_done(tmp_path, mit300):
    asked = [option for option in mit300 if option != "submission.partial=true"]
    message = r"4 of the 300 test images of mit300 are in .*mit300, 296 are missing.*prepare data=mit300.*partial=true"
    with pytest.raises(MissingFilesError, match=message):
        predict(config("predict", tmp_path, *asked, "submission.kind=map"))
    path = predict(config("predict", tmp_path, *mit300, "submission.kind=map"))
    check = (
        "predict",
        tmp_path,
        "mode=check",
        "submission=tuebingen",
        "data=mit300",
        f"data.root={tmp_path}/mit300",
        f"predictions={path}",
    )
    with pytest.raises(MissingFilesError, match=message):
        predict(config(*check, "submission.kind=map"))
    assert predict(config(*check, "submission.kind=map", "submission.partial=true")).accepted


def test_a_model_of_densities_gives_its_own_and_post_processing_makes_maps_of_them(tmp_path):
    model = build().eval()
    assert isinstance(model, UNISALModel)
    submission = SubmissionOptions(Submission("tuebingen", "density", "hdf5"))
    predictor, said = submission_values(submission, model, Postprocessing())
    with torch.inference_mode():
        values = predictor(torch.rand(1, 3, 64, 96))[0, 0].numpy()
    assert "model's densities" in said
    assert abs(logsumexp(values)) < 1e-9
    with pytest.raises(UserError, match="post-processing returns maps"):
        submission_values(submission, model, Postprocessing(blur=2))


def test_an_interrupted_run_makes_the_missing_maps_alone(tmp_path, mit300, monkeypatch, capsys):
    cfg = config("predict", tmp_path, *mit300, "submission.kind=map", "data.batch_size=1")
    seen = []
    original = prediction.predicted_maps

    def counted(datamodule, dataset, *how, stop=None):
        for index, values in original(datamodule, dataset, *how):
            if len(seen) == stop:
                raise KeyboardInterrupt
            seen.append(dataset.ids[index])
            yield index, values

    monkeypatch.setattr(prediction, "predicted_maps", lambda *a: counted(*a, stop=2))
    with pytest.raises(KeyboardInterrupt):
        predict(cfg)
    monkeypatch.setattr(prediction, "predicted_maps", counted)
    path = predict(cfg)
    assert "2 of 4 maps already exist" in capsys.readouterr().out
    predict(cfg)
    assert sorted(seen) == ["i1", "i2", "i3", "i4"]
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["i3.jpg"][()], CenterGaussian()(torch.zeros(1, 3, 40, 28))[0, 0], rtol=1e-6)
    with pytest.raises(UserError, match=r"made in another way: postprocessing"):
        predict(config("predict", tmp_path, *mit300, "submission.kind=map", "postprocessing.blur=3"))


def test_cat2000_is_predicted_on_its_test_images_by_category(tmp_path):
    write_cat2000(tmp_path / "cat2000")
    data = ("data=cat2000", f"data.root={tmp_path}/cat2000", "submission=tuebingen", "submission.kind=map")
    data = (*data, "submission.partial=true")
    path = predict(config("predict", tmp_path, *data, "model=center_gaussian", "submission.file=npy"))
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    pictures = list((tmp_path / "cat2000/testSet/Stimuli").glob("*/*.jpg"))
    assert sorted(names) == sorted(f"{p.parent.name}/{p.stem}.npy" for p in pictures)
    assert predict(config("predict", tmp_path, "mode=check", *data, f"predictions={path}")).accepted


def test_salicon_s_zip_holds_the_test_images(tmp_path):
    root = tmp_path / "salicon"
    for split, count in {"train": 2, "val": 2, "test": 3}.items():
        write_salicon(root, split, coco_names(split, count))
    data = ("data=salicon", f"data.root={root}", "submission=salicon", "submission.partial=true")
    path = predict(config("predict", tmp_path, *data, "model=center_gaussian"))
    assert zipfile.ZipFile(path).namelist() == [f"{name}.png" for name in coco_names("test", 3)]
    with pytest.raises(CorruptFileError, match=r"2 of 2 images have no map"):
        predict(config("predict", tmp_path, "mode=check", *data, "data.eval_split=val", f"predictions={path}"))


def test_the_check_says_what_is_wrong(tmp_path, mit300):
    path = predict(config("predict", tmp_path, *mit300, "submission.density=sum"))
    with h5py.File(path, "r+") as file:
        file["i2.jpg"][...] = file["i2.jpg"][()] + 0.01
        file.move("i4.jpg", "i4.png")
    with pytest.raises(
        CorruptFileError, match=r"(?s)would not accept.*1 of 4 images have no map, .* i4\.jpg.*i2\.jpg: its log"
    ):
        predict(config("predict", tmp_path, "mode=check", "submission=tuebingen", *mit300[:3], f"predictions={path}"))
    with pytest.raises(UserError, match="which maps"):
        predict(config("predict", tmp_path, "mode=check", "submission=tuebingen", *mit300[:3]))


@pytest.mark.slow
def test_kill_9_in_the_middle_and_again(tmp_path):
    for number in range(30):
        write_picture(tmp_path / "pictures" / f"{number}.png", (240, 320), number)
    options = ("model=signature", "image=pictures", "submission=tuebingen", "submission.density=sum")
    process = start(tmp_path, "predict", *options)
    parts = tmp_path / "outputs/submissions/pictures/signature-density.hdf5.parts"
    end = time.monotonic() + 120
    while len(list(parts.glob("[0-9]*.part"))) < 3:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {p.name for p in parts.glob("[0-9]*.part")}  # not the one that was being written
    assert 3 <= len(there) < 30, "killed too late: the test proves nothing"
    assert not parts.with_suffix("").exists()
    copy = shutil.copytree(parts, tmp_path / "copy")
    screen = run(tmp_path, "predict", *options).stdout
    assert re.search(rf"{len(there)} of 30 maps already exist", screen)
    with h5py.File(parts.with_suffix("")) as file:
        assert len(file) == 30
        for name in there:  # what was finished before is taken as it was
            with h5py.File(copy / name) as part:
                np.testing.assert_array_equal(part[name[:-5]][()], file[name[:-5]][()])
        assert all(abs(logsumexp(item[()].astype(float))) < 1e-4 for item in file.values())
    assert "accepted by the rules of the MIT/Tübingen Saliency Benchmark" in screen

"""The commands as a user types them: whole runs, interruptions, and errors that say what to do."""

import json
import signal
import time

import pandas as pd
import pytest
import torch
from tests.commands import TINY, run, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty working folder; the generated data is shared by the tests of this file."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def trained(folder):
    """A finished run of the whole main job."""
    done = run(folder, "train", *TINY, "nulls=[shuffled_filters]", "hydra.run.dir=outputs/trained")
    return folder / "outputs" / "trained", done.stdout


def wait_for(condition, process, seconds=120):
    """Until something is on disk; a process that ends first fails the test with its output."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


def test_training_leaves_everything_a_run_promises(trained):
    output, screen = trained
    for name in ("config.yaml", "environment.json", "metrics.csv", "results.csv", "per_image.parquet", "report.html",
                 "checkpoints/best.ckpt", "checkpoints/last.ckpt", "explanation/paper/layers.csv",
                 "explanation/normalized/coefficients.parquet", "explanation/sparse/fidelity.csv"):  # fmt: skip
        assert (output / name).stat().st_size > 0, name
    assert len(list((output / "gallery").glob("*.npz"))) == 2  # of the two explained images
    results = pd.read_csv(output / "results.csv")
    assert set(results["model"]) >= {"deep", "explainable/paper", "explainable/normalized", "center_bias", "chance"}
    assert set(results["profile"]) == {"tuebingen"}
    chance = results[results["model"] == "chance"].set_index("metric")["mean"]
    assert (chance["auc"], chance["cc"], chance["nss"]) == (0.5, 0.0, 0.0)
    record = json.loads((output / "environment.json").read_text())
    assert record["model"]["name"] == "cmrnet"
    assert record["model"]["parameters"] > 0
    assert "report.html" in screen
    assert "Center bias" in screen
    beside = pd.read_csv(output / "explanation/sparse/fidelity.csv").groupby("variant")["cc_to_deep"].mean()
    sparse = results[results["model"] == "explainable/sparse"].set_index("metric")["mean"]
    assert beside["explanation"] == pytest.approx(sparse["cc_to_deep"])  # not explained a second time, nor otherwise
    assert "shuffled_filters" in beside


def test_evaluate_repeats_the_numbers_of_training_bit_for_bit(folder, trained):
    output, _ = trained
    run(folder, "evaluate", f"checkpoint={output}/checkpoints/best.ckpt", "data=synthetic", "data.image_size=[48,64]",
        "data.sizes={train:16,val:4,test:6}", "data.num_workers=0", "trainer=cpu",
        "evaluation.presets=[]", "hydra.run.dir=outputs/again")  # fmt: skip
    before, after = (pd.read_parquet(folder / "outputs" / name / "per_image.parquet") for name in ("trained", "again"))
    columns = ["cc", "sim", "nss", "kld", "auc", "auc_judd", "sauc"]
    for model in ("deep", "center_bias", "chance"):
        old, new = (t[t["model"] == model].set_index("id").sort_index()[columns] for t in (before, after))
        pd.testing.assert_frame_equal(old, new, check_exact=True)


def test_explain_and_predict_take_a_picture_or_a_folder(folder, trained):
    checkpoint = f"checkpoint={trained[0]}/checkpoints/best.ckpt"
    pictures = folder / "data" / "synthetic"
    images = sorted(pictures.rglob("images/test/*.jpg")) or sorted(pictures.rglob("*.jpg"))
    screen = run(folder, "explain", checkpoint, f"image={images[0]}", "hydra.run.dir=outputs/one")
    assert "filters: Every layer uses one bandwidth" in screen.stdout  # `sparse` has one
    assert (folder / "outputs/one/report.html").stat().st_size > 0
    assert (folder / "outputs/one/maps" / f"{images[0].stem}_explainable.png").stat().st_size > 0
    run(folder, "predict", checkpoint, f"image={images[0].parent}", "to=outputs/predicted")
    assert len(list((folder / "outputs/predicted").glob("*.png"))) == len(list(images[0].parent.glob("*.jpg")))


def test_ctrl_c_keeps_the_state_and_resume_goes_on(folder):
    arguments = (*TINY, "trainer.max_epochs=500", "evaluate=false", "hydra.run.dir=outputs/stopped")
    process = start(folder, "train", *arguments)
    last = folder / "outputs/stopped/checkpoints/last.ckpt"
    wait_for(last.is_file, process)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    assert "Traceback" not in output
    interrupted = last.with_name("interrupted.ckpt")
    stopped_at = torch.load(interrupted, weights_only=True)["epoch"]
    run(folder, "train", *TINY, f"trainer.max_epochs={stopped_at + 2}", "evaluate=false", f"resume={interrupted}",
        "hydra.run.dir=outputs/resumed")  # fmt: skip
    assert torch.load(folder / "outputs/resumed/checkpoints/last.ckpt", weights_only=True)["epoch"] == stopped_at + 1


def test_kill_9_loses_at_most_the_epoch_in_flight(folder):
    # a rate of 0: the first epoch stays the best, and still every epoch has to be kept
    arguments = (*TINY, "trainer.max_epochs=500", "evaluate=false", "module.optimizer.lr=0")
    process = start(folder, "train", *arguments, "hydra.run.dir=outputs/killed")
    last, table = (folder / "outputs/killed" / name for name in ("checkpoints/last.ckpt", "metrics.csv"))
    wait_for(lambda: table.is_file() and "\n5," in table.read_text(), process)
    process.kill()
    process.communicate(timeout=60)
    epoch = torch.load(last, weights_only=True)["epoch"]
    assert epoch >= 4
    run(folder, "train", *TINY, f"trainer.max_epochs={epoch + 2}", "evaluate=false", f"resume={last}",
        "hydra.run.dir=outputs/revived")  # fmt: skip
    assert torch.load(folder / "outputs/revived/checkpoints/last.ckpt", weights_only=True)["epoch"] == epoch + 1


def test_two_processes_count_every_image_once(folder, trained):
    options = ("data=synthetic", "data.image_size=[48,64]", "data.sizes={train:16,val:4,test:7}",
               "data.root=data/uneven", "data.num_workers=0", "evaluation.presets=[normalized]",
               "evaluation.explain_images=3", "nulls=[shuffled_filters]",
               f"checkpoint={trained[0]}/checkpoints/best.ckpt")  # fmt: skip
    run(folder, "evaluate", *options, "trainer=cpu", "hydra.run.dir=outputs/one_process")
    run(folder, "evaluate", *options, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2",
        "hydra.run.dir=outputs/two_processes")  # fmt: skip
    single, double = (
        pd.read_parquet(folder / "outputs" / name / "per_image.parquet").sort_values(
            ["model", "index"], ignore_index=True
        )
        for name in ("one_process", "two_processes")
    )
    assert (single["model"] == "deep").sum() == 7
    pd.testing.assert_frame_equal(single, double, rtol=1e-5)
    layers = [pd.read_csv(folder / "outputs" / name / "explanation/normalized/layers.csv")
              for name in ("one_process", "two_processes")]  # fmt: skip
    pd.testing.assert_frame_equal(*layers, rtol=1e-3)
    beside = [pd.read_csv(folder / "outputs" / name / "explanation/normalized/fidelity.csv")
              for name in ("one_process", "two_processes")]  # fmt: skip
    assert beside[0]["variant"].value_counts().to_dict() == {"explanation": 3, "shuffled_filters": 3}
    pd.testing.assert_frame_equal(*beside, rtol=1e-3)
    assert layers[0]["image"].nunique() == 3


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["+experiment=cmrnet"], 2, "data=synthetic"),
    (["data=osie", "data.root=nowhere"], 2, "nowhere"),
    ([*TINY, "modle.width=3"], 2, "modle"),
    ([*TINY, "model.width=7"], 2, "model: width must be a positive even number, got 7"),
    ([*TINY, "resume=absent.ckpt"], 2, "absent.ckpt"),
    ([*TINY, "paths.outputs=/proc/none"], 2, "/proc/none"),
])  # fmt: skip
def test_what_a_user_gets_wrong_is_said_in_one_message(folder, arguments, code, message):
    began = time.monotonic()
    done = run(folder, "train", *arguments, code=code)
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 60  # seconds on a free machine: importing torch is most of it


def test_a_sweep_goes_on_after_a_job_that_fails(folder):
    run(
        folder,
        "train",
        "-m",
        *TINY,
        "evaluate=false",
        "resume=absent.ckpt,null",
        "hydra.sweep.dir=outputs/sweep",
        code=2,
    )
    assert not (folder / "outputs/sweep/0/checkpoints").exists()
    assert (folder / "outputs/sweep/1/checkpoints/last.ckpt").is_file()

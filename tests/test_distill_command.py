"""The distill command as a user types it: fit, interruption, going on, and the model in the other commands."""

import shutil
import signal
import time

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.commands import run, start
from tests.distillation.small import fitted

from explainsal.app.cli import conf_dir
from explainsal.distill import distill
from explainsal.distillation import load_standalone, save_standalone
from explainsal.errors import MissingFilesError, UserError
from explainsal.workflows.distilling import resume_fit
from explainsal.workflows.loading import load_model

DATA = ("data=synthetic", "data.sizes={train:16,val:4,test:6}", "data.image_size=[48,64]", "data.num_workers=0")
SMALL = ("distill.terms=4", "distill.pool_size=3", "distill.bank={wavelengths:[3,6],n_orientations:3}")

REFINED = ("refine.epochs=2",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def checkpoint(folder):
    model = load_model("cmrnet", width=4, input_size=[24, 32])
    state = {f"model.net.{name}": value for name, value in model.net.state_dict().items()}
    content = {"state_dict": state, "explainsal": {"name": model.name, "options": model.options}}
    torch.save(content, folder / "network.ckpt")
    return f"checkpoint={folder}/network.ckpt"


@pytest.fixture(scope="module")
def distilled(folder, checkpoint):
    """What an uninterrupted run prints; its results are in outputs/fit."""
    return run(folder, "distill", *DATA, *SMALL, checkpoint, *REFINED, "hydra.run.dir=outputs/fit").stdout


@pytest.mark.slow
def test_distill_and_use_the_model(folder, distilled):
    assert "use it: model=standalone weights=" in distilled
    output, weights = folder / "outputs/fit", f"weights={folder}/outputs/fit/standalone.safetensors"
    assert (output / "figures/graph.png").stat().st_size > 0
    assert "comes from" in (output / "report.html").read_text()
    assert not (output / "work").exists()
    assert pd.read_csv(output / "explanation/standalone/layers.csv")["image"].nunique() == 4
    options = ("model=standalone", weights, *DATA)
    run(folder, "explain", *options, "evaluation.explain_images=2", "hydra.run.dir=outputs/parts")
    table = pd.read_csv(folder / "outputs/parts/attribution.csv")
    assert table.groupby(["image", "by"])["variation"].sum().to_numpy() == pytest.approx(1, abs=1e-4)
    assert set(table["by"]) == {"source", "wavelength", "orientation", "part"}
    drawn = {path.name for path in (folder / "outputs/parts/figures").glob("*.png")}
    assert {"graph.png", "attribution.png"} < drawn
    assert len(drawn) == 4  # and a picture of each image
    report = (folder / "outputs/parts/report.html").read_text()
    assert "Composition of the standalone model" in report
    assert report.count("The parts of the map of") == 2
    assert 'id="gallery"' not in report  # the pictures of the parts are it
    run(folder, "evaluate", *options, "evaluation.baselines=[chance]", "hydra.run.dir=outputs/scored")
    assert set(pd.read_csv(folder / "outputs/scored/results.csv")["model"]) == {"standalone", "chance"}


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_fit_goes_on_to_the_same_file(folder, checkpoint, distilled, sent, code):
    process = start(folder, "distill", *DATA, *SMALL, checkpoint, *REFINED, "hydra.run.dir=outputs/stopped")
    file = folder / "outputs/stopped/standalone.safetensors"
    end = time.monotonic() + 120
    while not file.is_file():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "no stage was finished in time"
        time.sleep(0.02)
    process.send_signal(sent)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == code, output
    with pytest.raises(UserError, match="interrupted fit"):
        load_model("standalone", weights=file)
    stopped = ("resume=outputs/stopped", "hydra.run.dir=outputs/stopped")
    run(folder, "distill", *DATA, *SMALL, checkpoint, *REFINED, *stopped)
    assert file.read_bytes() == (folder / "outputs/fit/standalone.safetensors").read_bytes()
    assert not (folder / "outputs/stopped/work").exists()
    shutil.rmtree(folder / "outputs/stopped")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "layers"), [
    ("unisal", [64, 96], "[cnn.features.4,cnn.features.14,post_cnn.inv_res]"),
    ("msinet", [32, 48], "[pool2,pool4,aspp,decoder.conv2]"),
])  # fmt: skip
def test_networks_with_a_last_step_of_their_own_are_distilled(folder, name, size, layers):
    torch.manual_seed(0)
    model = load_model(name, input_size=size)
    torch.save(model.net.state_dict(), folder / "generated.pth")
    options = (f"model={name}", f"model.input_size={size}".replace(" ", ""), f"distill.layers={layers}")
    options = (*options, "weights=generated.pth", "refine.epochs=1", f"hydra.run.dir=outputs/{name}")
    run(folder, "distill", *DATA, *SMALL, *options)
    file = folder / f"outputs/{name}/standalone.safetensors"
    net, note = load_standalone(file)
    assert (note["network"], net.input_size) == (f"{name} generated.pth", tuple(size))
    images = torch.stack([scene_like(seed) for seed in range(4)])
    mine, deep = load_model("standalone", weights=file)(images), model(images)
    assert mine.shape == deep.shape == (4, 1, 48, 64)
    assert (mine >= 0).all()
    assert mine.flatten(1).std(1).min() > 0


@pytest.mark.slow
def test_several_data_sets_teach_a_graph_of_small_images(folder, checkpoint):
    others = ("+data@extra_data.more=synthetic", "extra_data.more.root=data/more",
              "extra_data.more.sizes={train:12,val:2,test:1}",
              "extra_data.more.image_size=[40,40]")  # fmt: skip
    options = (checkpoint, *DATA, *SMALL, *others, "images=10", "input_size=[16,24]", "refine.epochs=1")
    done = run(folder, "distill", *options, "hydra.run.dir=outputs/both")
    net, note = load_standalone(folder / "outputs/both/standalone.safetensors")
    assert (note["images"], net.input_size) == (20, (16, 24))
    assert "on 6 validation images" in done.stdout
    quality = pd.read_csv(folder / "outputs/both/explanation/standalone/layers.csv")
    assert {name.split("/")[0] for name in quality["image"]} == {"data", "more"}
    wrong = run(folder, "distill", checkpoint, *DATA, *SMALL, "input_size=[48,64]", code=2)
    assert "input_size=[48, 64]: give [HEIGHT,WIDTH], at most the network's [24, 32]" in wrong.stderr


def scene_like(seed):
    """A bright square on dark noise."""
    image = 0.3 * torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(seed))
    image[:, 10 + 4 * seed : 20 + 4 * seed, 30:40] = 0.9
    return image


@pytest.mark.parametrize(("options", "message"), [
    (["distill.target=both"], "target must be one of 'deep', 'fixations'"),
    (["null_model=noise"], "choose untrained_network, shuffled_filters"),
    (["refine.rate=0"], "rate and batch_size positive"),
])  # fmt: skip
def test_impossible_options_are_refused(options, message):
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("distill", overrides=["checkpoint=nowhere.ckpt", "paths.output=nowhere", *options])
    with pytest.raises(UserError, match=message):
        distill(cfg)


def test_resuming_checks_what_is_there(tmp_path):
    fit = fitted(stages=1)
    with pytest.raises(MissingFilesError, match="no stage was finished"):
        resume_fit(fit, tmp_path)
    note = {"fingerprint": fit.fingerprint(), "explained": fit.explained}
    save_standalone(fit.model, tmp_path / "standalone.safetensors", {**note, "fingerprint": "another"})
    with pytest.raises(UserError, match="other options, another network or other data"):
        resume_fit(fit, tmp_path)
    save_standalone(fit.model, tmp_path / "standalone.safetensors", {**note, "refined": 3})
    with pytest.raises(UserError, match="already refined"):
        resume_fit(fit, tmp_path)
    save_standalone(fit.model, tmp_path / "standalone.safetensors", note)
    resume_fit(fit, tmp_path)
    assert len(fit.todo) == 4


@pytest.mark.slow
def test_a_graph_is_trained_pruned_and_written_as_a_standalone_model(folder):
    small = ("model.widths=[3,4,2]", "model.depth=2", "model.input_size=[48,64]")
    training = ("trainer=cpu", "trainer.max_epochs=6", "data.batch_size=4", "evaluate=false")
    pruned = ("callbacks=pruned", "callbacks.pruning.terms=5")
    run(folder, "train", *DATA, "model=graph", *pruned, *small, *training, "hydra.run.dir=outputs/graph")
    checkpoint = f"checkpoint={folder}/outputs/graph/checkpoints/last.ckpt"
    early = run(folder, "distill", *DATA, checkpoint, "distill.terms=2", code=2)
    assert "has up to 5 terms" in early.stderr + early.stdout
    printed = run(folder, "distill", *DATA, checkpoint, "distill.terms=5", "hydra.run.dir=outputs/frozen").stdout
    assert "use it: model=standalone weights=" in printed
    model = load_model("standalone", folder / "outputs/frozen/standalone.safetensors")
    graph = load_model(folder / "outputs/graph/checkpoints/last.ckpt")
    assert max(int((stage.source >= 0).sum(1).max()) for stage in model.net.stages) == 5
    image = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = [one(image) / one(image).sum() for one in (model, graph)]
    assert torch.allclose(*maps, rtol=0.05)
    assert (folder / "outputs/frozen/figures/graph.png").stat().st_size > 0
    refused = run(folder, "distill", *DATA, checkpoint, "refine.epochs=2", code=2)
    assert "written as it is" in refused.stderr + refused.stdout
    refused = run(folder, "distill", *DATA, checkpoint, "null_model=untrained_network", code=2)
    assert "model.shuffle=0" in refused.stderr + refused.stdout

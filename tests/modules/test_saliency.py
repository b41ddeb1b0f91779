"""Training and scoring modules inside real, tiny Lightning loops."""

import math
from functools import partial

import lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from explainsal.classical.chance import Chance
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.errors import ModelError, UserError
from explainsal.functional.losses import kl_div_cc, kl_div_nss_cc, normalized_l1
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel, load_network
from explainsal.modules.evaluation import EvaluationModule
from explainsal.modules.saliency import SaliencyModule


def samples(count=6, size=(40, 56), density=True):
    rng = np.random.default_rng(0)
    return [
        SaliencySample(
            id=f"image{i}", index=i, image=rng.integers(0, 256, (*size, 3), dtype=np.uint8),
            fixations=rng.uniform(0, 40, (5, 2)), density=rng.random(size, dtype=np.float32) if density else None,
        )
        for i in range(count)
    ]  # fmt: skip


def loader(data, batch_size=4):
    return DataLoader(data, batch_size, collate_fn=SaliencyBatch.collate)


def module(loss=normalized_l1):
    model = load_network("cmrnet", width=4, input_size=(24, 32)).train()
    return SaliencyModule(
        model, loss, partial(torch.optim.Adam, lr=1e-3), partial(torch.optim.lr_scheduler.StepLR, step_size=2)
    )


def trainer(folder, **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return lightning.Trainer(default_root_dir=folder, accelerator="cpu", **{**quiet, "max_epochs": 1, **options})


def test_a_step_changes_every_weight_and_logs_metrics_at_native_size(tmp_path):
    net = module()
    before = {name: p.clone() for name, p in net.model.named_parameters()}
    fit = trainer(tmp_path)
    fit.fit(net, loader(samples()), loader(samples(3)))
    assert {"train/loss", "val/loss", "val/cc", "val/sim", "val/nss", "val/kld"} <= set(fit.callback_metrics)
    assert all(not torch.equal(before[name], p) for name, p in net.model.named_parameters())
    reference = SaliencyMetrics(names=["cc"])
    batch = SaliencyBatch.collate(samples(3))
    with torch.no_grad():
        maps = net.model(batch.images).squeeze(1)
    reference.update(maps, batch.fixations, batch.density, index=batch.index)
    assert maps.shape == (3, 40, 56)
    assert fit.callback_metrics["val/cc"].item() == pytest.approx(reference.compute()["cc"].item(), rel=1e-4)


def test_channels_last_and_bfloat16_train_the_same_network_and_validate_on_a_cpu(tmp_path):
    model = load_network("cmrnet", width=4, input_size=(24, 32)).train()
    net = SaliencyModule(model, normalized_l1, partial(torch.optim.Adam, lr=1e-3), channels_last=True)
    images = SaliencyBatch.collate(samples(2)).images
    torch.testing.assert_close(net(images), load_like(model)(images), rtol=1e-4, atol=1e-5)
    fit = trainer(tmp_path, precision="bf16-mixed")
    fit.fit(net, loader(samples()), loader(samples(3)))
    assert model.net.block1.f2.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert fit.callback_metrics["val/cc"].isfinite()


def load_like(model):
    other = load_network("cmrnet", width=4, input_size=(24, 32))
    other.net.load_state_dict({name: value.contiguous() for name, value in model.net.state_dict().items()})
    return other


def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_images(tmp_path):
    with pytest.raises(UserError, match="the loss became nan at step 0 on the images image0, image1") as error:
        trainer(tmp_path).fit(module(lambda preds, target: (preds * math.nan).sum()), loader(samples(), batch_size=2))
    assert "gradient_clip_val" in str(error.value)


def test_training_without_densities_is_refused(tmp_path):
    with pytest.raises(UserError, match="no fixation densities"):
        trainer(tmp_path).fit(module(), loader(samples(density=False)))


def test_a_checkpoint_restores_the_trained_function_under_weights_only_loading(tmp_path):
    net, fit = module(), trainer(tmp_path)
    fit.fit(net, loader(samples()))
    fit.save_checkpoint(tmp_path / "last.ckpt")
    images = torch.rand(2, 3, 50, 60)
    with torch.no_grad():
        assert torch.equal(load_network(tmp_path / "last.ckpt")(images), net.model.eval()(images))
    again = trainer(tmp_path, max_epochs=2)
    again.fit(module(), loader(samples()), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert again.current_epoch == 2


def evaluation(data, batch_size, explainable=()):
    scoring = EvaluationModule({"deep": load_network("cmrnet", width=4, input_size=(24, 32)), "chance": Chance()},
                               partial(SaliencyMetrics, names=["cc", "nss", "auc"]), explainable)  # fmt: skip
    trainer(None).test(scoring, loader(data, batch_size), verbose=False)
    return scoring


def test_scores_do_not_depend_on_batches_and_count_repeated_images_once():
    data = samples(5)
    torch.manual_seed(1)
    whole = evaluation(data, 5).per_image()
    torch.manual_seed(1)
    split = evaluation([*data, data[0]], 2).per_image()  # the padding of a distributed sampler
    assert whole["index"].tolist() == split["index"].tolist() == [0, 1, 2, 3, 4] * 2
    np.testing.assert_allclose(whole[["cc", "nss", "auc"]], split[["cc", "nss", "auc"]], rtol=1e-5, atol=1e-7)
    assert set(whole[whole["model"] == "chance"]["auc"]) == {0.5}


def test_an_explainable_map_is_compared_with_truth_and_with_the_deep_map():
    scoring = evaluation(samples(2), 2, explainable=["explainable/x"])
    batch = SaliencyBatch.collate(samples(2))
    deep = torch.rand(2, 1, 40, 56)
    scoring.score_explainable("explainable/x", 3 * deep + 0.1, deep, batch)
    table = scoring.per_image().set_index("model").loc["explainable/x"]
    assert table["cc_to_deep"].tolist() == pytest.approx([1, 1])
    assert table["cc"].notna().all()
    deep_rows = scoring.per_image().set_index("model").loc["deep"]
    assert deep_rows["cc_to_deep"].isna().all()


class Own(nn.Module):
    """A user's network with a given output."""

    def __init__(self, change, channels=3):
        super().__init__()
        self.conv, self.change = nn.Conv2d(channels, 2, 3, padding=1), change

    def forward(self, images):
        return self.change(self.conv(images))


def with_nan(maps):
    maps = maps[:, :1].clone()
    maps[1:2] = torch.nan  # the second image of a batch
    return maps


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Own(lambda y: {"out": y[:, :1]}), r"mine must return .* a dictionary with 'out'. Wrap it"),
        (Own(lambda y: y), r"mine must return .* 2 maps per image. Wrap it"),
        (Own(with_nan), r"mine returned NaN or infinity for image1"),
        (Own(lambda y: y[:, :1], channels=1), r"mine does not take RGB images"),
    ],
    ids=["dict", "two channels", "NaN", "grey"],
)
def test_what_is_wrong_with_a_network_of_ones_own_is_said_by_name(network, message):
    model = SaliencyModel(network, name="mine", options={}, input_size=None)
    scoring = EvaluationModule({"deep": model}, partial(SaliencyMetrics, names=["cc"]))
    with pytest.raises(ModelError, match=message):
        scoring.test_step(SaliencyBatch.collate(samples(4)), 0)


def test_logits_are_warned_of_and_scored_as_log_densities(caplog):
    net = Own(lambda y: y[:, :1] - 10)
    batch = SaliencyBatch.collate(samples(3))
    with caplog.at_level("WARNING"), torch.no_grad():
        lost = SaliencyModel(net, name="mine", options={}, input_size=None).eval()
        assert lost(batch.images).max() == 0
        lost(batch.images)
    assert [record.getMessage() for record in caplog.records if "below 0" in record.getMessage()] == [
        caplog.messages[0]
    ]
    assert caplog.messages[0].startswith("mine returns values below 0")
    assert 'output="log_density"' in caplog.messages[0]
    caplog.clear()
    with caplog.at_level("WARNING"), torch.no_grad():
        kept = SaliencyModel(net, name="mine", options={}, input_size=None, output="log_density").eval()
        maps = kept(batch.images)
    expected = net(batch.images.float() / 255).exp()
    torch.testing.assert_close(maps / maps.sum((-2, -1), keepdim=True), expected / expected.sum((-2, -1), keepdim=True))
    assert not caplog.messages
    with pytest.raises(ValueError, match="choose 'map', 'density', 'log_density'"):
        SaliencyModel(net, name="mine", options={}, input_size=None, output="logits")


def test_a_network_whose_maps_are_constant_is_warned_of(tmp_path, caplog):
    model = SaliencyModel(Own(lambda y: y[:, :1] * 0), name="mine", options={}, input_size=None)
    scoring = EvaluationModule({"deep": model, "chance": Chance()}, partial(SaliencyMetrics, names=["cc"]))
    with caplog.at_level("WARNING"):
        trainer(tmp_path).test(scoring, loader(samples(5)), verbose=False)
    assert next(m for m in caplog.messages if "constant" in m).startswith("mine: 5 of 5 maps are constant")
    assert not any("chance:" in message for message in caplog.messages)


def test_a_loss_that_takes_something_else_is_refused_before_training():
    with pytest.raises(UserError, match="kl_div_nss_cc takes 3 tensors .* gives 2: predicted maps, target densities"):
        module(partial(kl_div_nss_cc))
    module(partial(kl_div_cc, cc_weight=2.0))

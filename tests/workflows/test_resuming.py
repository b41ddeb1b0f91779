"""What a resumed training takes over, and which checkpoints are refused with one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from explainsal.errors import UserError
from explainsal.models.saliency_model import RECORD, SaliencyModel
from explainsal.modules.schedules import follow_optimizer, follow_options
from explainsal.tracking.metrics_file import MetricsFile
from explainsal.workflows.loading import load_model
from explainsal.workflows.resuming import read_checkpoint, require_same_network, take_over, trained_network

METRICS = "epoch,step,val/cc\n0,4,0.1\n1,9,0.2\n2,14,0.3\n2,1"


def network() -> SaliencyModel:
    model = load_model("cmrnet", width=4)
    assert isinstance(model, SaliencyModel)
    return model


def content(**changes: Any) -> dict[str, Any]:
    model = network()
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    needed = {
        "state_dict": weights, "loops": {"fit_loop": {}}, "optimizer_states": [{}], "epoch": 1, "global_step": 10
    }  # fmt: skip
    return {**needed, RECORD: model.record(), **changes}


def test_the_metrics_before_the_checkpoint_and_the_best_epoch_come_along(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "checkpoints").mkdir(parents=True)
    (old / "metrics.csv").write_text(METRICS)
    torch.save(content(epoch=0, global_step=5), old / "checkpoints" / "best.ckpt")
    torch.save(content(), old / "checkpoints" / "last.ckpt")
    take_over(old / "checkpoints" / "last.ckpt", new, 10)
    assert (new / "metrics.csv").read_text() == "epoch,step,val/cc\n0,4,0.1\n1,9,0.2\n"
    assert torch.load(new / "checkpoints" / "best.ckpt", weights_only=True)["global_step"] == 5
    assert torch.load(new / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 10
    logger = MetricsFile(str(new))
    logger.log_metrics({"epoch": 2, "val/cc": 0.5}, step=14)
    logger.log_metrics({"epoch": 2, "train/loss": 0.25}, step=14)
    logger.save()
    lines = (new / "metrics.csv").read_text().split()
    assert lines[0] == "epoch,step,train/loss,val/cc"
    assert lines[1:] == ["0,4,,0.1", "1,9,,0.2", "2,14,,0.5", "2,14,0.25,"]


def test_a_best_epoch_after_the_checkpoint_stays_behind(tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "checkpoints", tmp_path / "new"
    old.mkdir(parents=True)
    torch.save(content(global_step=20), old / "best.ckpt")
    torch.save(content(), old / "last.ckpt")
    take_over(old / "last.ckpt", new, 10)
    assert [path.name for path in (new / "checkpoints").iterdir()] == ["last.ckpt"]


def test_without_a_best_epoch_the_last_one_is_taken_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    built = network()
    assert trained_network(tmp_path, built) is built
    assert "no epoch was trained" in caplog.text
    torch.save(content(), tmp_path / "last.ckpt")
    assert isinstance(trained_network(tmp_path, built), SaliencyModel)
    assert "no epoch was validated" in caplog.text


def test_damaged_and_foreign_checkpoints_are_one_message(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    with pytest.raises(UserError, match="no such checkpoint"):
        read_checkpoint(path)
    torch.save(content(), path)
    whole = path.read_bytes()
    for damaged in (b"", b"no checkpoint", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            read_checkpoint(path)
    for foreign in ({"weight": torch.zeros(2)}, torch.zeros(2), content(loops={})):
        torch.save(foreign, path)
        with pytest.raises(UserError, match="holds no training"):
            read_checkpoint(path)


def test_another_network_or_a_shorter_training_is_refused(tmp_path: Path) -> None:
    model, path = network(), tmp_path / "last.ckpt"
    require_same_network(path, content(), model, 1)
    other = {**model.record(), "options": {**model.options, "width": 6}}
    with pytest.raises(UserError, match="width=6, now 4"):
        require_same_network(path, content(**{RECORD: other}), model, 5)
    with pytest.raises(UserError, match=r"epoch 9.*max_epochs=5"):
        require_same_network(path, content(epoch=9), model, 5)


@pytest.mark.parametrize(("change", "message"), [
    (lambda weight: weight * torch.nan, "weight holds NaN or infinity"),
    (lambda weight: weight[:1], r"weight has the shape \(1, "),
    (lambda weight: weight.bool(), "weight has the type bool"),
    (lambda weight: weight.to(torch.complex64), "weight has the type complex64"),
])  # fmt: skip
def test_unsound_weights_are_not_resumed(change: Any, message: str) -> None:
    checkpoint = content()
    name = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][name] = change(checkpoint["state_dict"][name])
    with pytest.raises(UserError, match=rf"resume=last\.ckpt does not fit cmrnet: .*{message}"):
        require_same_network(Path("last.ckpt"), checkpoint, network(), 5)
    with pytest.raises(UserError, match="no optimizer state"):
        require_same_network(Path("last.ckpt"), content(optimizer_states=[]), network(), 5)


def step(schedule: CosineAnnealingLR) -> None:
    schedule.optimizer.step()
    schedule.step()


def run_and_resume(old: CosineAnnealingLR, whole: CosineAnnealingLR, resumed: CosineAnnealingLR) -> None:
    """Run two schedules for four epochs, and restore the state of the first in a third."""
    for _ in range(4):
        step(old)
        step(whole)
    resumed.optimizer.load_state_dict(old.optimizer.state_dict())
    resumed.load_state_dict(old.state_dict())


def assert_same_rates(resumed: CosineAnnealingLR, whole: CosineAnnealingLR) -> None:
    """Compare the learning rates of four further epochs."""
    for _ in range(4):
        assert resumed.optimizer.param_groups[0]["lr"] == whole.optimizer.param_groups[0]["lr"]
        step(resumed)
        step(whole)


def test_a_longer_training_follows_its_own_schedule() -> None:
    def make(epochs: int) -> CosineAnnealingLR:
        return CosineAnnealingLR(SGD([torch.zeros(1)], lr=0.1), epochs)

    old, whole, resumed = make(4), make(8), make(8)
    run_and_resume(old, whole, resumed)
    assert resumed.optimizer.param_groups[0]["lr"] == pytest.approx(0)
    assert follow_options(resumed, lambda optimizer: CosineAnnealingLR(optimizer, 8))
    assert not follow_options(resumed, lambda optimizer: CosineAnnealingLR(optimizer, 8))
    assert_same_rates(resumed, whole)


def test_another_rate_is_followed_from_the_first_epoch_on() -> None:
    def make(rate: float, decay: float) -> CosineAnnealingLR:
        return CosineAnnealingLR(SGD([torch.zeros(1)], lr=rate, weight_decay=decay), 8)

    old, whole, resumed = make(0.1, 0.0), make(0.02, 0.5), make(0.02, 0.5)
    run_and_resume(old, whole, resumed)
    assert follow_optimizer(resumed.optimizer, make(0.02, 0.5).optimizer) == ["lr", "weight_decay"]
    assert follow_optimizer(resumed.optimizer, make(0.02, 0.5).optimizer) == []
    assert follow_options(resumed, lambda optimizer: CosineAnnealingLR(optimizer, 8))
    assert resumed.optimizer.param_groups[0]["weight_decay"] == 0.5
    assert_same_rates(resumed, whole)


def test_without_a_schedule_the_rate_is_followed_too_and_another_optimizer_is_refused() -> None:
    restored, fresh = (AdamW([torch.zeros(1)], lr=rate) for rate in (0.1, 0.02))
    assert follow_optimizer(restored, fresh) == ["lr"]
    assert restored.param_groups[0]["lr"] == 0.02
    restored.load_state_dict(SGD([torch.zeros(1)], lr=0.1).state_dict())
    with pytest.raises(UserError, match="another optimizer"):
        follow_optimizer(restored, fresh)

"""A training stopped by a real signal at any point and resumed equals the uninterrupted one, bit by bit."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import albumentations as A  # its usual name
import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from explainsal import signals
from explainsal.callbacks.checkpointing import AtomicCheckpointIO, InterruptCheckpoint
from explainsal.callbacks.resuming import ExactResume
from explainsal.callbacks.stopping import StopOnSignal, interrupts
from explainsal.data.augmentation import Augmentation
from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.synthetic import SyntheticDataModule
from explainsal.errors import UserError

EPOCHS, STEPS = 3, 5


class Network(L.LightningModule):
    """A network with dropout; sends a signal to its own process in a step, before it, or in a validation."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 2, 5, stride=4), nn.Dropout(0.5), nn.Conv2d(2, 1, 3))
        self.stop = stop
        self.seen: list[list[str]] = []

    def _stop_in(self, place: str, number: int) -> None:
        if self.stop == (place, number):
            os.kill(os.getpid(), signal.SIGTERM)

    def training_step(self, batch: SaliencyBatch, batch_idx: int) -> Tensor:
        self._stop_in("step", self.global_step)
        self.seen.append(list(batch.ids))
        return self.net(batch.images.float() / 255).square().mean()

    def on_train_batch_end(self, *arguments: Any) -> None:
        self._stop_in("end of a step", self.global_step)

    def validation_step(self, batch: SaliencyBatch, batch_idx: int) -> None:
        if not self.trainer.sanity_checking:
            self._stop_in("validation", self.current_epoch)
        self.log("val/cc", -self.net(batch.images.float() / 255).square().mean(), batch_size=len(batch))

    def on_train_epoch_end(self) -> None:
        self._stop_in("end of an epoch", self.current_epoch)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), 0.01)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)]


def train(
    folder: Path,
    data: Path,
    workers: int,
    stop: tuple[str, int] | None = None,
    resume: Path | None = None,
    batch_size: int = 2,
) -> tuple[Network, dict[str, Any]]:
    """Train, until a signal if there is one; return the network and its last checkpoint."""
    L.seed_everything(7, workers=True, verbose=False)
    steps = {"flip": A.HorizontalFlip(p=0.5), "affine": A.Affine(rotate=(-5, 5), p=0.9), "colour": A.ColorJitter(p=0.9)}
    augmentation = Augmentation(steps)
    module = SyntheticDataModule(
        data, sizes={"train": 2 * STEPS, "val": 4, "test": 2}, image_size=(24, 32), seed=0, batch_size=batch_size,
        num_workers=workers, augmentation=augmentation,
    )  # fmt: skip
    module.prepare_data()
    network = Network(stop)
    with signals.handled(), interrupts():
        callbacks = [
            ModelCheckpoint(folder, "best", monitor="val/cc", mode="max", enable_version_counter=False),
            ModelCheckpoint(folder, "last", monitor=None, enable_version_counter=False),
            InterruptCheckpoint(str(folder)), ExactResume(str(folder)), StopOnSignal(),
        ]  # fmt: skip
        trainer = L.Trainer(
            accelerator="cpu", max_epochs=EPOCHS, logger=False, callbacks=callbacks, plugins=[AtomicCheckpointIO()],
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(network, datamodule=module, ckpt_path=resume, weights_only=True)
    return network, torch.load(folder / "last.ckpt", weights_only=True)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, *train(folder / "run", folder / "data", workers=0)


PLACES = [("step", 7), ("end of a step", 8), ("step", 9), ("end of a step", 10), ("validation", 1),
          ("end of an epoch", 1), ("step", 0)]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0]} {place[1]}")
def test_stopped_by_a_signal(uninterrupted: Any, tmp_path: Path, place: tuple[str, int]) -> None:
    assert_equal(uninterrupted, tmp_path, place, workers=0)


@pytest.mark.slow
@pytest.mark.parametrize("place", [("step", 7), ("validation", 1)], ids=lambda place: f"{place[0]} {place[1]}")
def test_with_worker_processes(uninterrupted: Any, tmp_path: Path, place: tuple[str, int]) -> None:
    assert_equal(uninterrupted, tmp_path, place, workers=2)


def assert_equal(uninterrupted: Any, tmp_path: Path, place: tuple[str, int], workers: int) -> None:
    folder, whole, expected = uninterrupted
    first, second = tmp_path / "first", tmp_path / "second"
    with pytest.raises(signals.Terminated):
        train(first, folder / "data", workers, stop=place)
    (tmp_path / "second").mkdir()
    with contextlib.suppress(OSError):
        (second / "best.ckpt").write_bytes((first / "best.ckpt").read_bytes())
    network, actual = train(second, folder / "data", workers, resume=first / "interrupted.ckpt")
    assert whole.seen[len(whole.seen) - len(network.seen) :] == network.seen
    steps = torch.load(first / "interrupted.ckpt", weights_only=True)["global_step"]
    assert steps + len(network.seen) == EPOCHS * STEPS
    assert actual["epoch"] == expected["epoch"]
    for name, tensor in expected["state_dict"].items():
        assert torch.equal(tensor, actual["state_dict"][name]), name
    torch.testing.assert_close(actual["optimizer_states"], expected["optimizer_states"], rtol=0, atol=0)
    best = [torch.load(path / "best.ckpt", weights_only=True)["global_step"] for path in (folder / "run", second)]
    assert best[0] == best[1]


def test_from_the_last_epoch(uninterrupted: Any, tmp_path: Path) -> None:
    folder, whole, expected = uninterrupted
    with pytest.raises(signals.Terminated):
        train(tmp_path / "first", folder / "data", 0, stop=("step", 12))
    network, actual = train(tmp_path / "second", folder / "data", 0, resume=tmp_path / "first" / "last.ckpt")
    assert network.seen == whole.seen[2 * STEPS :]
    torch.testing.assert_close(actual["state_dict"], expected["state_dict"], rtol=0, atol=0)


def test_epochs_differ_and_hold_every_image_once(uninterrupted: Any) -> None:
    _, whole, _ = uninterrupted
    epochs = [[i for batch in whole.seen[STEPS * n : STEPS * (n + 1)] for i in batch] for n in range(EPOCHS)]
    assert len({tuple(epoch) for epoch in epochs}) == EPOCHS
    assert {tuple(sorted(epoch)) for epoch in epochs} == {tuple(sorted(epochs[0]))}


def test_an_epoch_is_not_continued_in_another_order(uninterrupted: Any, tmp_path: Path) -> None:
    folder, *_ = uninterrupted
    with pytest.raises(signals.Terminated):
        train(tmp_path / "first", folder / "data", 0, stop=("step", 12))
    with pytest.raises(
        UserError, match=r"data\.batch_size=2, now 5: resume with the same settings, or from last\.ckpt"
    ):
        train(tmp_path / "second", folder / "data", 0, resume=tmp_path / "first" / "interrupted.ckpt", batch_size=5)
    network, _ = train(tmp_path / "second", folder / "data", 0, resume=tmp_path / "first/last.ckpt", batch_size=5)
    assert [len(batch) for batch in network.seen] == [5, 5]

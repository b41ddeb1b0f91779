"""A full disk does not damage existing checkpoints."""

from pathlib import Path

import pytest
import torch
from tests.disks import small_disk

from explainsal.callbacks.checkpointing import AtomicCheckpointIO
from explainsal.errors import UserError


def test_a_full_disk_leaves_the_old_checkpoint_and_says_so(tmp_path: Path) -> None:
    io = AtomicCheckpointIO()
    with small_disk(tmp_path / "disk", size=256 << 10) as disk:
        io.save_checkpoint({"epoch": 1}, disk / "last.ckpt")
        with pytest.raises(UserError, match="No space left on device") as error:
            io.save_checkpoint({"epoch": 2, "weights": torch.zeros(100_000)}, disk / "last.ckpt")
        assert "resume=" in str(error.value)
        assert torch.load(disk / "last.ckpt", weights_only=True) == {"epoch": 1}
        assert [p.name for p in disk.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_is_replaced_whole(tmp_path: Path) -> None:
    io, path = AtomicCheckpointIO(), tmp_path / "new" / "last.ckpt"
    for epoch in (1, 2):
        io.save_checkpoint({"epoch": epoch}, path)
    assert io.load_checkpoint(path, weights_only=True) == {"epoch": 2}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]

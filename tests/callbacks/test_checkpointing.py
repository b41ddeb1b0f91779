"""A full disk costs nothing that was there before."""

import sys

import pytest
import torch

from explainsal.callbacks.checkpointing import AtomicCheckpointIO
from explainsal.errors import UserError


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's disk without room")
def test_a_full_disk_leaves_the_old_checkpoint_and_says_so(tmp_path):
    io, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"epoch": 1}, path)
    (tmp_path / ".last.ckpt.partial").symlink_to("/dev/full")  # every write to it fails with ENOSPC
    with pytest.raises(UserError, match="No space left on device") as error:
        io.save_checkpoint({"epoch": 2, "weights": torch.zeros(10_000)}, path)
    assert "resume=" in str(error.value)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_is_replaced_whole(tmp_path):
    io, path = AtomicCheckpointIO(), tmp_path / "new" / "last.ckpt"
    for epoch in (1, 2):
        io.save_checkpoint({"epoch": epoch}, path)
    assert io.load_checkpoint(path, weights_only=True) == {"epoch": 2}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]

"""Work that the processes of a distributed run share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch.distributed import FileStore

from explainsal.data.sample import SaliencySample
from explainsal.workflows.sharing import gather, is_first, read_batches, share


def sample(index: int, size: tuple[int, int]) -> SaliencySample:
    return SaliencySample(str(index), index, np.full((*size, 3), index, dtype=np.uint8), None, None)


@pytest.mark.parametrize("positions", [range(6), range(1, 6, 2), range(0)])
def test_images_of_one_size_are_read_in_batches(positions):
    sizes = [(4, 6), (4, 6), (4, 6), (6, 4), (4, 6), (4, 6)]
    samples = [sample(i, size) for i, size in enumerate(sizes)]
    batches = list(read_batches(samples, positions, 2, torch.device("cpu")))
    assert [name for batch in batches for name in batch.ids] == [str(i) for i in positions]
    assert all(len(batch.ids) <= 2 for batch in batches)
    if positions == range(6):
        assert [batch.ids for batch in batches] == [("0", "1"), ("2",), ("3",), ("4", "5")]


def test_a_run_of_one_process_has_all_of_it():
    assert share(5) == range(5)
    assert gather("a") == ["a"]
    assert is_first()


def _work(rank: int, place: str) -> None:
    store = FileStore(f"{place}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = gather(list(share(5)))
    assert found == [[0, 2, 4], [1, 3]]
    assert is_first() == (rank == 0)
    torch.distributed.destroy_process_group()
    open(f"{place}/{rank}", "w").close()


def test_two_processes_share(tmp_path):
    torch.multiprocessing.start_processes(_work, (str(tmp_path),), nprocs=2, start_method="fork")
    assert (tmp_path / "0").exists()
    assert (tmp_path / "1").exists()

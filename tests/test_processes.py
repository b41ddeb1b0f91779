"""Work that the processes of a distributed run share."""

from __future__ import annotations

import torch
import torch.distributed
import torch.multiprocessing
from torch.distributed import FileStore

from explainsal.processes import gather, is_first, share


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

"""Two real processes (gloo) with an uneven, padded data set give the numbers of one process."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tests.metrics.test_collection import IMAGES, Data, filled


def _worker(rank: int, world: int, folder: str, parts: list[list[list[int]]]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    try:
        result = filled(Data(), parts[rank])
        local = len(result.rows)
        values = {k: v.item() for k, v in result.compute().items()}, result.per_image(), result.undefined()
        assert len(result.rows) == local  # reading restores the process's own rows
        (Path(folder) / f"{rank}.pkl").write_bytes(pickle.dumps(values))
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([[[0, 2], [4, 6]], [[1, 3], [5, 0]]], id="padded with a repeated image"),
        pytest.param([[[6, 5, 4, 3]], [[2], [1], [0]]], id="uneven"),
        pytest.param([[list(range(IMAGES))], []], id="one process without images"),
    ],
)
def test_two_processes_equal_one(tmp_path: Path, parts: list[list[list[int]]]) -> None:
    mp.spawn(_worker, args=(2, str(tmp_path), parts), nprocs=2)
    alone = filled(Data(), [list(range(IMAGES))])
    for rank in range(2):
        means, table, undefined = pickle.loads((tmp_path / f"{rank}.pkl").read_bytes())
        assert table["index"].tolist() == list(range(IMAGES))
        np.testing.assert_allclose(table, alone.per_image(), rtol=1e-12, atol=1e-13)
        assert undefined == alone.undefined()
        for name, value in alone.compute().items():
            assert means[name] == pytest.approx(value.item(), rel=1e-12, abs=1e-13)

"""Count the operations of an accelerator without one: launches, bytes moved, peak memory.

    python benchmarks/launches.py                    # UNISAL's convolutions at 288 x 384, batches of 1 and 16
    python benchmarks/launches.py --preset sparse --batches 8 --most 30   # and the 30 operations that move most

The explanation runs on PyTorch's `meta` device, with the accelerators' branches, shapes and dtypes but without numbers;
reading a value is an error. Only operations that write memory are counted. An FFT, a sort or a batched solve is more
than one kernel, so launches are a lower bound. Bytes are the reads and writes of each operation, twice for FFTs,
without subtracting data that stays in a cache. Times are estimates from these two numbers, not measurements: eager
operations are issued one every HOST seconds, kernels start one every DEVICE seconds (the only cost in a CUDA graph),
and memory moves at the bandwidth of the data sheet.
"""

from __future__ import annotations

import argparse
import itertools
import weakref
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explainsal.explanation import Explainer
from explainsal.models.unisal_network import UNISAL

SIZE = (288, 384)
HOST, DEVICE = 10e-6, 2e-6
BANDWIDTHS = {"H100": 3.35e12, "H200": 4.8e12}  # bytes per second
_ALLOCATES = ("empty", "new_empty", "empty_like", "empty_strided", "detach", "_unsafe_view")
_PICKS = ("gather", "index", "index_select")  # read as many bytes of their first argument as they return
_PUTS = ("index_put_", "index_copy_", "index_fill_", "scatter_", "scatter_add_")  # write as many bytes as they receive


class Launches(TorchDispatchMode):
    """Counts the operations on a device that write memory, and tracks the used memory.

    Attributes:
        operations: Number of runs of each operation.
        moved: Bytes read and written by each operation.
        peak: Largest number of bytes of the tensors created inside.
    """

    def __init__(self, device: str = "meta") -> None:
        super().__init__()
        self.device = device
        self.operations, self.moved = Counter[str](), Counter[str]()
        self.peak, self._taken, self._storages = 0, 0, set[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = self._tensors((args, kwargs)), self._tensors(result)
        before = {one.untyped_storage()._cdata for one in given}
        for one in made:
            self._follow(one, before)
        fresh = any(one.untyped_storage()._cdata not in before for one in made)
        name = func.name().removeprefix("aten::").split(".")[0]
        if made and (fresh or func._schema.is_mutable) and name not in _ALLOCATES:
            self.operations[name] += 1
            if func._overloadname == "out":  # only written, not read
                given = self._tensors((args, {key: one for key, one in (kwargs or {}).items() if key != "out"}))
            self.moved[name] += _moved(name, given, made)
        return result

    def _tensors(self, tree: Any) -> list[torch.Tensor]:
        return [one for one in tree_leaves(tree) if isinstance(one, torch.Tensor) and one.device.type == self.device]

    def _follow(self, one: torch.Tensor, known: set[int]) -> None:
        storage = one.untyped_storage()
        if storage._cdata not in known and storage._cdata not in self._storages:
            self._storages.add(storage._cdata)
            self._taken += storage.nbytes()
            self.peak = max(self.peak, self._taken)
            weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())

    def _freed(self, key: int, count: int) -> None:
        self._storages.discard(key)
        self._taken -= count


def _moved(name: str, given: list[torch.Tensor], made: list[torch.Tensor]) -> int:
    """Return the bytes that an operation reads and writes; expanded tensors are read once."""

    def size(tensors: list[torch.Tensor]) -> int:
        return sum(min(one.nbytes, one.untyped_storage().nbytes()) for one in tensors)

    if name in _PICKS:
        return size(given[1:]) + 2 * size(made)
    if name in _PUTS:
        return 2 * size(given[1:])
    return (2 if name.startswith("_fft") else 1) * (size(given) + size(made))


def counted(preset: str, batch: int, size: tuple[int, int], budget: int | None = None) -> Launches:
    """Count one explanation of UNISAL, after another that lists the layers and samples the banks."""
    explainer = Explainer(UNISAL().eval().to("meta"), preset, layers="conv", pool_size=10, memory_budget=budget)
    images = torch.rand(batch, 3, *size, device="meta")
    explainer(images)
    with Launches() as launches:
        explainer(images)
    return launches


def row(title: str, batch: int, launches: Launches) -> str:
    """Format a table row, per image, with times in milliseconds."""
    count, moved = launches.operations.total(), launches.moved.total()
    cells = [title, batch, count, f"{moved / batch / 1e9:.1f}", f"{launches.peak / 1e9:.2f}"]
    for bandwidth in BANDWIDTHS.values():
        device = count * DEVICE + moved / bandwidth
        cells += [f"{1e3 * max(count * HOST, device) / batch:.1f}", f"{1e3 * device / batch:.1f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", default=["normalized", "sparse"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--most", type=int, default=0, help="number of listed operations, by bytes and by launches")
    parser.add_argument("--budget", type=float, help="memory_budget in GB (default: the explainer's own)")
    args = parser.parse_args()
    budget = None if args.budget is None else int(args.budget * 1e9)
    estimates = [f"{name}, {how}, ms" for name in BANDWIDTHS for how in ("eager", "graph")]
    head = ["", "batch", "launches", "GB per image", "peak GB", *estimates]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for preset, batch in itertools.product(args.preset, args.batches):
        launches = counted(preset, batch, SIZE, budget)
        print(row(f"`{preset}`", batch, launches))
        for what in (launches.moved, launches.operations) if args.most else ():
            print(*(f"    {launches.operations[name]:6d} {launches.moved[name] / batch / 1e9:8.2f} GB  {name}"
                    for name, _ in what.most_common(args.most)), sep="\n")  # fmt: skip


if __name__ == "__main__":
    main()

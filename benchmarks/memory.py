"""Measure the memory of an explanation beyond the network's forward pass, by `memory_budget`, at 1080 x 1920.

    python benchmarks/memory.py                                         # 0.5, 1 and 2 GB, `paper`, an OSIE photograph
    python benchmarks/memory.py --budgets 2 --model cmrnet_osie         # the packaged network, at that resolution
    python benchmarks/memory.py --size 64 96 --budgets 0.02 0.05        # a tiny test run

Each budget has its own process, since a peak cannot be reset: the forward pass, then the explanation. The row contains
the peak (VmHWM) after each, in MB, and the difference. A small explanation runs first, to load libraries and kernels. A
budget that is too small gives a row with the error message. Linux only. The photograph is extended by its mirror image
to the requested size, so all pixels are real.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explainsal import Explainer, load_model
from explainsal.data.osie import read_osie
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.models.cmrnet import CMRNet

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("EXPLAINSAL_SHARED", HERE.parents[1] / "shared"))
OSIE = SHARED / "data" / "osie"


def peak() -> float:
    """Return the peak memory of this process so far, in MB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6


def photograph(root: Path, size: tuple[int, int]) -> Tensor:
    """Return the first validation image of OSIE, mirrored or cropped to a size: ``(1, 3, H, W)``, 0 to 1."""
    pixels = read_osie(root, "val")[0].image
    missing = [(0, max(0, wanted - has)) for wanted, has in zip(size, pixels.shape, strict=False)]
    whole = np.pad(pixels, [*missing, (0, 0)], mode="symmetric")[: size[0], : size[1]]
    return torch.from_numpy(whole.copy()).permute(2, 0, 1)[None].float() / 255


def network(model: str | None, width: int) -> torch.nn.Module:
    """Return the bare network, which accepts any resolution."""
    if model is None:
        torch.manual_seed(0)
        return CMRNet(width).eval()
    loaded = load_model(model)
    assert isinstance(loaded, SaliencyModel)
    return loaded.net.eval()


def measure(args: argparse.Namespace, budget: float) -> dict[str, object]:
    """Measure one budget in this process."""
    torch.set_num_threads(1)
    net, images = network(args.model, args.width), photograph(args.root, tuple(args.size))
    layers = args.layers[0] if len(args.layers) == 1 else args.layers
    how: dict[str, Any] = {"pool_size": args.pool_size, "layers": layers}
    Explainer(net, args.preset, **how)(images[..., :40, :56])
    with torch.no_grad():
        net(images)
    forward, start = peak(), time.process_time()
    row: dict[str, object] = {"budget_MB": round(1000 * budget), "forward_MB": round(forward)}
    try:
        out = Explainer(net, args.preset, memory_budget=int(budget * 1e9), **how)(images)
    except UserError as refused:
        return row | {"refused": str(refused), "cpu_s": round(time.process_time() - start, 1)}
    return row | {
        "explained_MB": round(peak()), "beyond_MB": round(peak() - forward), "layers": len(out.layers),
        "cpu_s": round(time.process_time() - start, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.5, 1.0, 2.0], help="GB")
    parser.add_argument("--size", type=int, nargs=2, default=[1080, 1920], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--root", type=Path, default=OSIE, help="folder of the data set")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--layers", nargs="+", default=["stem.0", "sigmoid", "output"], help="or: block, conv")
    parser.add_argument("--pool-size", type=int, default=2, help="determines the time; the presets use 10 and more")
    parser.add_argument("--width", type=int, default=8, help="width of a CMRNet with random weights")
    parser.add_argument("--model", help="the bare network of a model of explainsal.load_model instead")
    args = parser.parse_args()
    if len(args.budgets) == 1:
        print(json.dumps(measure(args, args.budgets[0])), flush=True)
        return
    others = sys.argv[1:]
    if "--budgets" in others:
        start = others.index("--budgets")
        del others[start : start + 1 + len(args.budgets)]
    # freed arrays are returned to the system, so that peaks reflect used memory and repeat
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    for budget in args.budgets:
        subprocess.run([sys.executable, __file__, *others, "--budgets", str(budget)], check=True, env=env)


if __name__ == "__main__":
    main()

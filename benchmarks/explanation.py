"""How fast a layer, and CMRNet's whole chain, is explained, against plain NumPy + OpenCV in the same process.

    python benchmarks/explanation.py                # the layer of the claim: 64 maps of 160 x 240, 800 candidates
    python benchmarks/explanation.py --chain        # CMRNet's whole chain, --width and --size to choose
    python benchmarks/explanation.py --sparse       # orthogonal matching pursuit instead (no plain counterpart)

Prints one JSON line per measurement: median and range over the repetitions, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import torch
from tests.reference import explanation_fast as plain

from explainsal.explanation import PRESETS, Explainer
from explainsal.explanation.candidates import Candidates, Pool
from explainsal.explanation.matching import match_layer
from explainsal.explanation.pursuit import pursue_layer
from explainsal.models.cmrnet import CMRNet

BUDGET = 2 * 10**9


def timed(run: Callable[[], object], repeats: int) -> dict[str, float]:
    """Seconds on a GPU; on a CPU the seconds that it worked for this process, which other load does not lengthen."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(clock() - start)
    return {"median_s": statistics.median(times), "least_s": min(times), "most_s": max(times)}


def smooth(*shape: int) -> torch.Tensor:
    """Maps with structure at several scales, as activations have."""
    noise = torch.rand(1, shape[0], *shape[1:])
    blur = torch.nn.functional.avg_pool2d
    return (blur(noise, 3, 1, 1) + 3 * blur(noise, 15, 1, 7)).squeeze(0)


def layer(maps: int, size: tuple[int, int], pool: int, repeats: int, *, sparse: bool, device: str) -> dict[str, object]:
    options = PRESETS["sparse" if sparse else "paper"]
    activations, sources = smooth(maps, *size).to(device), smooth(pool, *size).to(device)

    def ours() -> object:
        pools = [Pool("before", sources[None], torch.arange(pool, device=device)[None])]
        candidates = Candidates(pools, options.bank, size, scaling=options.scaling, budget=BUDGET)
        if sparse:
            return pursue_layer(activations[None], candidates, options)
        return match_layer(activations[None], candidates, options, BUDGET)

    ours()  # samples the bank, warms caches
    result: dict[str, object] = {"what": "layer", "maps": maps, "size": size, "candidates": pool * len(options.bank)}
    mine = timed(ours, repeats)
    result["explainsal"] = mine
    if not sparse:
        bank = options.bank.transfer(size).numpy()
        a, s = activations.cpu().numpy(), sources.cpu().numpy()
        base = timed(lambda: plain.rebuild_layer(a, plain.energies(s, bank)), max(1, repeats // 3))
        result |= {"numpy_opencv": base, "ratio": base["median_s"] / mine["median_s"]}
    return result


def chain(width: int, size: tuple[int, int], repeats: int, *, preset: str, device: str) -> dict[str, object]:
    net, images = CMRNet(width).eval().to(device), smooth(3, *size)[None].to(device)
    explainer = Explainer(net, preset)
    result: dict[str, object] = {"what": f"chain/{preset}", "width": width, "size": size}
    mine = timed(lambda: explainer(images), repeats)
    result["explainsal"] = mine
    if preset == "paper":
        out = explainer(images, keep_maps=True)
        layers = [one.activations[0].cpu().numpy() for one in out.layers if one.activations is not None]
        luminance = (images[0] * torch.tensor([0.299, 0.587, 0.114])[:, None, None].to(device)).sum(0).cpu().numpy()
        bank = PRESETS["paper"].bank
        base = timed(lambda: plain.explain(luminance, layers, lambda shape: bank.transfer(shape).numpy()), 1)
        result |= {"numpy_opencv": base, "ratio": base["median_s"] / mine["median_s"]}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chain", action="store_true")
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--maps", type=int, default=64)
    parser.add_argument("--pool", type=int, default=10)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=[160, 240])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    torch.manual_seed(0)
    size = (args.size[0], args.size[1])
    if args.chain:
        result = chain(args.width, size, args.repeats, preset=args.preset, device=args.device)
    else:
        result = layer(args.maps, size, args.pool, args.repeats, sparse=args.sparse, device=args.device)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    machine = {"threads": args.threads, "device": args.device, "load": load, "torch": torch.__version__,
               "processor": platform.processor() or platform.machine()}  # fmt: skip
    print(json.dumps(result | machine))


if __name__ == "__main__":
    main()

"""Measure the time to explain a layer, or CMRNet's whole chain, against plain NumPy + OpenCV in the same process.

    python benchmarks/explanation.py                # the layer of the claim: 64 maps of 160 x 240, 800 candidates
    python benchmarks/explanation.py --chain        # CMRNet's whole chain, --width and --size to choose
    python benchmarks/explanation.py --chain --model cmrnet_osie --size 96 128    # that of the packaged network
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
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import torch
from tests.reference import explanation_fast as plain

from explainsal import load_model
from explainsal.explanation import PRESETS, Explainer
from explainsal.explanation.candidates import Candidates
from explainsal.explanation.matching import match_layer
from explainsal.explanation.pools import Pool
from explainsal.explanation.pursuit import pursue_layer
from explainsal.explanation.transfer import transfer_functions
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.models.cmrnet import CMRNet

BUDGET = 2 * 10**9


def timed(runs: Sequence[tuple[str, Callable[[], object]]], repeats: int) -> dict[str, object]:
    """Time runs: wall seconds on a GPU, CPU seconds of the process on a CPU, which other load does not lengthen.

    The runs take turns, so that load of the machine affects all of them.
    """
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    times: dict[str, list[float]] = {name: [] for name, _ in runs}
    for _ in range(repeats):
        for name, run in runs:
            start = clock()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(clock() - start)
    medians = [statistics.median(one) for one in times.values()]
    found: dict[str, object] = {
        name: {"median_s": statistics.median(one), "least_s": min(one), "most_s": max(one)}
        for name, one in times.items()
    }
    return found | ({"ratio": medians[1] / medians[0]} if len(medians) == 2 else {})


def smooth(*shape: int) -> torch.Tensor:
    """Return maps with structure at several scales, like activations."""
    noise = torch.rand(1, shape[0], *shape[1:])
    blur = torch.nn.functional.avg_pool2d
    return (blur(noise, 3, 1, 1) + 3 * blur(noise, 15, 1, 7)).squeeze(0)


def layer(
    maps: int, size: tuple[int, int], pool: int, repeats: int, *, sparse: bool, fast: bool, device: str
) -> dict[str, object]:
    options = PRESETS["sparse" if sparse else "paper"]
    activations, sources = smooth(maps, *size).to(device), smooth(pool, *size).to(device)

    def ours() -> object:
        pools = [Pool("before", sources[None], torch.arange(pool, device=device)[None])]
        candidates = Candidates(pools, options.bank, size, scaling=options.scaling, budget=BUDGET)
        with plain_only(not fast):
            if sparse:
                return pursue_layer(activations[None], candidates, options, BUDGET)
            return match_layer(activations[None], candidates, options, BUDGET)

    ours()  # samples the bank, warms caches
    result: dict[str, object] = {"what": "layer", "maps": maps, "size": size, "candidates": pool * len(options.bank)}
    if sparse:
        return result | timed([("explainsal", ours)], repeats)
    bank = transfer_functions(options.bank, size).numpy()
    a, s = activations.cpu().numpy(), sources.cpu().numpy()

    def base() -> object:
        return plain.rebuild_layer(a, plain.energies(s, bank))

    return result | timed([("explainsal", ours), ("numpy_opencv", base)], repeats)


def chain(net: torch.nn.Module, size: tuple[int, int], repeats: int, *, preset: str, device: str) -> dict[str, object]:
    net, images = net.eval().to(device), smooth(3, *size)[None].to(device)
    explainer = Explainer(net, preset)
    layers = [one.shape for one in explainer.layers(size) if one.skipped is None]
    result: dict[str, object] = {"what": f"chain/{preset}", "size": size, "layers": len(layers), "widest": max(layers)}
    runs: list[tuple[str, Callable[[], object]]] = [("explainsal", lambda: explainer(images))]
    if preset == "paper":
        out = explainer(images, keep_maps=True)
        maps = [one.activations[0].cpu().numpy() for one in out.layers if one.activations is not None]
        luminance = (images[0] * torch.tensor([0.299, 0.587, 0.114])[:, None, None].to(device)).sum(0).cpu().numpy()
        bank = PRESETS["paper"].bank
        runs.append(
            ("numpy_opencv", lambda: plain.explain(luminance, maps, lambda s: transfer_functions(bank, s).numpy()))
        )
    else:
        explainer(images)  # lists the layers and samples the banks, once per size
    return result | timed(runs, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chain", action="store_true")
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--plain", action="store_true", help="plain PyTorch instead of compiled loops")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--maps", type=int, default=64)
    parser.add_argument("--pool", type=int, default=10)
    parser.add_argument("--width", type=int, default=16, help="width of a CMRNet with random weights")
    parser.add_argument("--model", help="a model of explainsal.load_model instead, with input size --size")
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
        net = load_model(args.model) if args.model else CMRNet(args.width)
        with plain_only(args.plain):
            result = chain(net, size, args.repeats, preset=args.preset, device=args.device)
    else:
        result = layer(
            args.maps, size, args.pool, args.repeats, sparse=args.sparse, fast=not args.plain, device=args.device
        )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    machine = {"threads": args.threads, "device": args.device, "plain": args.plain, "load": load,
               "torch": torch.__version__,
               "processor": platform.processor() or platform.machine()}  # fmt: skip
    print(json.dumps(result | machine))


if __name__ == "__main__":
    main()

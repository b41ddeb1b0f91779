"""Measure how fast an accelerator explains UNISAL's convolutions, compared to the limit of its memory bandwidth.

    python benchmarks/gpu.py            # 288 x 384, batches of 1 to 32, `normalized`, and `sparse` with a pool of 10
    python benchmarks/gpu.py --smoke    # 32 x 64, one layer, on a CPU

Writes a table to benchmarks/results (or --out). The network's weights are random, since the work does not depend on
them. Times are for the whole call including the network's forward pass: with single PyTorch operations, and as a
replayed CUDA graph. The lower bound is the time in which the device could write and read every candidate once (28 bytes
per pixel and candidate) at the bandwidth of a large copy.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch

from explainsal.explanation import Explainer
from explainsal.explanation.result import Explanation
from explainsal.functional import metrics
from explainsal.models.unisal_network import UNISAL
from explainsal.types import DensityMap, FixationBatch

RESULTS = Path(__file__).resolve().parent / "results"
BYTES = 28  # per pixel of a candidate: complex response, energy, scaled map, description


def seconds(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median wall time of a call, after one warm-up call."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def bandwidth(device: torch.device, count: int) -> float:
    """Return the bytes per second that a copy of `count` numbers reads and writes."""
    source = torch.zeros(count, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), device, 5)


def least_bytes(out: Explanation, pool: dict[str, int]) -> int:
    """Return the bytes moved to compute and describe every candidate of every layer once, for one image."""
    filters = len(out.options.bank)
    return sum(
        BYTES * filters * sum(pool[parent] for parent in layer.parents) * layer.shape[1] * layer.shape[2]
        for layer in out.layers
    )


def replayed(explainer: Explainer, images: torch.Tensor) -> tuple[Callable[[], None], Explanation]:
    """Return the whole call as a CUDA graph, and the result that each replay overwrites."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):  # FFT plans, workspaces and kernels are created outside the graph
            explainer(images)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = explainer(images)
    return graph.replay, out


def times(explainer: Explainer, images: torch.Tensor, repeats: int) -> tuple[dict[str, float], list[str]]:
    """Return seconds per image for each possible method, and the reasons for failures or wrong results."""
    plain = explainer(images).explainable_map
    found, notes = {"plain": seconds(lambda: explainer(images), images.device, repeats) / len(images)}, []
    if images.device.type != "cuda":
        return found, notes
    try:
        run, out = replayed(explainer, images)
        found["graph"] = seconds(run, images.device, repeats) / len(images)
    except Exception as error:  # e.g. a synchronizing solver; the other method is still reported
        notes.append(f"graph failed: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
        return found, notes
    off = (out.explainable_map - plain).abs().max() / plain.abs().max()
    if not off < 1e-2:  # float32: another of nearly equal candidates may be selected
        notes.append(f"graph is off by {off:.1e} of the largest value")
    return found, notes


def explained(
    preset: str, cases: list[tuple[int, int | None]], size: tuple[int, int], layers: str | tuple[str, ...],
    device: torch.device, repeats: int, rate: float,
) -> list[str]:  # fmt: skip
    """Return the table rows of one preset, for each batch size and memory budget."""
    net = UNISAL().eval().to(device)
    rows = []
    for batch, budget in cases:
        explainer = Explainer(net, preset, layers=layers, pool_size=10, memory_budget=budget)
        images = torch.rand(batch, 3, *size, device=device)
        out = explainer(images)
        ways, notes = times(explainer, images, repeats)
        pool = {layer.name: layer.kept.shape[1] for layer in out.layers}
        pool["input"] = 3 if out.options.input_maps == "opponent" else 1
        floor = least_bytes(out, pool) / rate
        title = f"`{preset}`, {len(out.layers)} layers" + (f", {budget / 1e9:.0f} GB" if budget else "")
        cells = [f"{1e3 * ways[way]:.1f}" if way in ways else "" for way in ("plain", "graph")]
        rows.append("| " + " | ".join([
            "; ".join([title, *notes]), str(batch), *cells, f"{1e3 * floor:.2f}", f"{floor / min(ways.values()):.1%}"
        ]) + " |")  # fmt: skip
    return rows


def measured_metrics(batch: int, size: tuple[int, int], device: torch.device, repeats: int) -> str:
    """Return a row for the whole set of metrics of a batch, with fixations and SALICON's pool of non-fixations."""
    first, second = torch.rand(2, batch, *size, dtype=torch.float64, device=device)
    height, width = size
    points = list(torch.rand(5000, 420, 2, dtype=torch.float64) * torch.tensor([width, height]))
    pool, index = metrics.Nonfixations(points, [size] * len(points)), torch.arange(batch, device=device)
    fixations = FixationBatch.from_points(points[:batch]).to(device)

    def run() -> None:
        maps, placed = metrics.Maps(first), metrics.Points.of(fixations, size)
        metrics.against_density(maps, DensityMap(second), {"sim": {}, "cc": {}, "kld": {}})
        for metric in (metrics.nss, metrics.auc, metrics.auc_judd):
            metric(maps, placed)
        metrics.shuffled_auc(maps, placed, pool.others(index, size))

    taken = seconds(run, device, repeats) / batch
    title = f"SIM, CC, NSS, KLD, AUC, AUC-Judd, sAUC (float64; 5,000 images: {5000 * taken:.0f} s)"
    return f"| {title} | {batch} | {1e3 * taken:.2f} | | | | |"


def report(rows: list[str], device: torch.device, size: tuple[int, int], rate: float, repeats: int) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({platform.machine()})"
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=RESULTS.parent)
    return "\n".join([
        f"# UNISAL explained on {name}", "",
        f"{size[0]} x {size[1]} pixels, pool of 10, float32, torch {torch.__version__}, {datetime.date.today()}, "
        f"commit {done.stdout.strip() or 'unknown'}; random weights; median of {repeats}; a copy moves "
        f"{rate / 1e9:.0f} GB/s.", "",
        "| ms per image | batch | plain | CUDA graph | floor | floor / best |", "|" + "---|" * 6, *rows, "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny run on a CPU")
    parser.add_argument("--out", type=Path, help="output file (default: named by device and date)")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    if not args.smoke and not torch.cuda.is_available():
        parser.error("no CUDA device is visible to PyTorch; --smoke runs a tiny case on the CPU")
    device = torch.device("cpu" if args.smoke else "cuda")
    size, repeats = ((32, 64), 1) if args.smoke else ((288, 384), args.repeats)
    cases: list[tuple[int, int | None]] = [(1, None), (2, None)]
    if not args.smoke:  # the default budget of 8 GB fits 8 images of `normalized` at a time
        cases += [(4, None), (8, None), (16, None), (16, 40 * 10**9), (32, 40 * 10**9)]
    layers: str | tuple[str, ...] = ("cnn.features.0.0",) if args.smoke else "conv"
    rate = bandwidth(device, 2**20 if args.smoke else 2**28)
    rows = [row for preset in ("normalized", "sparse")
            for row in explained(preset, cases, size, layers, device, repeats, rate)]  # fmt: skip
    rows.append(measured_metrics(2 if args.smoke else 16, size if args.smoke else (480, 640), device, repeats))
    name = "cpu-smoke" if args.smoke else torch.cuda.get_device_name(device).replace(" ", "-").lower()
    out = args.out or RESULTS / f"gpu-{name}-{datetime.date.today()}.md"
    out.write_text(report(rows, device, size, rate, repeats))
    print(out.read_text())


if __name__ == "__main__":
    main()

"""Measure Table IV: parameters, bytes, multiply-accumulates and time of every network, with the paper's figures.

    python experiments/table4/run.py                 # writes table4.csv and table4.md in this folder
    python experiments/table4/run.py --variants plain channels_last fused compiled fused_compiled

All networks are timed unchanged. `FASTER` networks, which commands use for prediction, are timed in the other variants
as well, if these make a difference: only UNISAL has normalisations to fold.

Networks have random weights, which do not affect these numbers. On a CPU times are ratios to CMRNet, measured in turns
in one process; on a GPU there are milliseconds as well.
"""

from __future__ import annotations

import argparse
import io
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from rich.progress import track
from torch import nn

import explainsal
from explainsal.models.complexity import complexity
from explainsal.models.unisal_network import UNISAL
from explainsal.workflows.loading import NETWORKS

HERE = Path(__file__).parent
REFERENCE = "cmrnet"
BASE = "cmrnet as it is"
FASTER = ("cmrnet", "unisal", "msinet")
VARIANTS = ("plain", "channels_last", "fused", "compiled", "fused_compiled")


@dataclass(frozen=True)
class Row:
    """A row of the paper's table: its figures in millions of parameters and seconds, and the reason for differences."""

    name: str
    title: str
    parameters: str
    seconds: str
    size: tuple[int, int]
    why: str


ROWS = (
    Row("cmrnet", "CMRNet", "2.5", "0.02", (320, 480), "the widths are ours, the paper gives only the total (0006)"),
    Row("dinet", "DINet", "27.04", "0.06", (320, 480), "the figure counts BatchNorm statistics as parameters"),
    Row("sam_resnet", "SAM-ResNet", "70.09", "0.09", (240, 320), "the figure leaves BatchNorm statistics out"),
    Row("dsclrcn", "DSCLRCN", ">33.71", "0.27", (480, 640),
        "no reading of the published network has more than 30.3 million learnable parameters"),
    Row("dva", "DVA", "25.07", "0.03", (224, 224), "agrees"),
    Row("unisal", "UNISAL", "15.5", "0.028", (288, 384),
        "15.5 are the megabytes of its state dict (15,483,558 bytes); it has a quarter as many parameters"),
    Row("msinet", "MSI-Net", "-", "-", (240, 320), "not in the paper's table"),
)  # fmt: skip


def bare(name: str) -> nn.Module:
    """Return a network without its pre-processing, in evaluation mode."""
    torch.manual_seed(0)
    net = explainsal.load_model(name).net
    assert isinstance(net, nn.Module)
    return net.eval()


def networks(only: Sequence[str]) -> dict[str, nn.Module]:
    """Return the available networks."""
    wanted = [row.name for row in ROWS if row.name in NETWORKS and (not only or row.name in only)]
    return {name: bare(name) for name in wanted}


def as_variant(net: nn.Module, variant: str) -> nn.Module:
    """Return the network unchanged, with channels-last memory, with folded normalisations as well, or compiled."""
    if variant == "plain":
        return net
    if isinstance(net, UNISAL) and variant.startswith("fused"):
        net = net.for_domain("SALICON")
    for parameter in net.parameters():
        last = torch.channels_last if parameter.ndim == 4 else torch.contiguous_format
        parameter.data = parameter.data.contiguous(memory_format=last)
    if variant.endswith("compiled"):
        net.compile()
    return net


def seconds(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return seconds per image, measured in turns of equal length; a quick network runs often per turn."""
    took: dict[str, float] = {}
    for name, run in runs.items():
        run()  # warm-up of memory and compilation
        took[name] = _elapsed(run, 1)
    calls = {name: max(1, round(max(took.values()) / one)) for name, one in took.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in track(range(repeats), description="timing"):
        for name, run in runs.items():
            times[name].append(_elapsed(run, calls[name]) / calls[name])
    return times


def _elapsed(run: Callable[[], object], calls: int) -> float:
    """Return CPU seconds of this process, which other load affects least; with a GPU wall-clock seconds."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    for _ in range(calls):
        run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


def timed(only: Sequence[str], variant: str, repeats: int, device: str) -> dict[str, list[float]]:
    """Return seconds per image of every network at its own size; for a variant also those of `BASE`."""
    sizes = {row.name: row.size for row in ROWS}
    runs: dict[str, Callable[[], object]] = {}
    if variant != "plain":
        runs[BASE] = partial(bare(REFERENCE).to(device), torch.rand(1, 3, *sizes[REFERENCE], device=device))
    for name, net in networks(only).items():
        if variant != "plain" and (name not in FASTER or (variant.startswith("fused") and not isinstance(net, UNISAL))):
            continue
        images = torch.rand(1, 3, *sizes[name], device=device)
        images = images if variant == "plain" else images.contiguous(memory_format=torch.channels_last)
        runs[name] = partial(as_variant(net.to(device), variant), images)
    with torch.no_grad():
        return seconds(runs, repeats)


def stored_bytes(net: nn.Module) -> int:
    """Return the size of the network's state dict as a float32 file."""
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    return buffer.tell()


def described(only: Sequence[str]) -> list[tuple[Row, dict[str, object]]]:
    """Return every row of the table without times; rows of missing networks are labelled."""
    rows: list[tuple[Row, dict[str, object]]] = []
    for row in ROWS:
        if only and row.name not in only:
            continue
        record: dict[str, object] = {"model": row.title, "paper: parameters (millions)": row.parameters,
                                     "paper: seconds": row.seconds}  # fmt: skip
        if row.name in NETWORKS:
            net = bare(row.name)
            size = complexity(net, row.size)
            record |= {"parameters": size.parameters, "bytes on disk": stored_bytes(net),
                       "GMAC": round(size.macs / 1e9, 2), "input": f"{row.size[0]} x {row.size[1]}"}  # fmt: skip
        rows.append((row, record))
    return rows


def base_of(taken: dict[str, list[float]]) -> float:
    """Return the time of the unchanged reference, in one pass."""
    return statistics.median(taken[BASE if BASE in taken else REFERENCE])


def tabulated(rows: Sequence[tuple[Row, dict[str, object]]], times: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Return the table with the times of the measured variants."""
    plain = times["plain"]
    done = []
    for row, record in rows:
        if row.name not in plain:
            done.append(record | {"why it differs": "this network is not part of the project"})
            continue
        ratios = {
            f"time / CMRNet, {variant}": round(statistics.median(taken[row.name]) / base_of(taken), 3)
            for variant, taken in times.items()
            if row.name in taken
        }
        gpu = (
            round(1e3 * statistics.median(plain[row.name]), 2) if torch.cuda.is_available() else "not measured: no GPU"
        )
        done.append(record | ratios | {"GPU ms": gpu, "why it differs": row.why})
    table = pd.DataFrame(done)
    last = [name for name in ("GPU ms", "why it differs") if name in table]
    return table[[*table.columns.drop(last), *last]]


def write(table: pd.DataFrame, folder: Path) -> None:
    """Write and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "table4.csv", index=False)
    columns = list(table.columns)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join("" if pd.isna(v) else f"{v:,}" if isinstance(v, int) else str(v) for v in row) + " |"
              for row in table.astype(object).itertuples(index=False)]  # fmt: skip
    (folder / "table4.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=[], choices=VARIANTS, help="in addition to plain")
    parser.add_argument("--only", nargs="+", default=[], help="networks; CMRNet is always among them")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--to", type=Path, default=HERE, help="folder for table4.csv and table4.md")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    only = [*args.only, REFERENCE] if args.only else []
    rows, times = described(only), {}
    for variant in dict.fromkeys(["plain", *args.variants]):  # written after each: compiling is slow
        times[variant] = timed(only, variant, args.repeats, "cuda" if torch.cuda.is_available() else "cpu")
        write(tabulated(rows, times), args.to)
    print(f"{args.threads} thread(s), {platform.processor() or platform.machine()}, torch {torch.__version__}")


if __name__ == "__main__":
    main()

"""What the real pysaliency makes of files: run by the interpreter of an environment that has it, prints JSON.

python tests/reference/pysaliency_reads.py STIMULI FIXATIONS DENSITIES MAPS
python tests/reference/pysaliency_reads.py write FOLDER      # files of its own, to be read by us
"""

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

try:
    import torch  # noqa: F401
except ImportError:  # version 0.2.22 imports it, though nothing here needs it
    for name in ("", ".nn", ".nn.functional", ".utils", ".utils.data", ".optim", ".distributions"):
        sys.modules[f"torch{name}"] = MagicMock()

import numpy as np
import pysaliency

for name in [name for name, module in sys.modules.items() if isinstance(module, MagicMock)]:
    del sys.modules[name]  # SciPy looks there for tensors

COLUMNS = ("x", "y", "t", "n", "subjects")


def numbers(values) -> list:
    return [None if np.isnan(v) else float(v) for v in np.asarray(values, float).ravel()]


def read(stimuli: str, fixations: str, densities: str, maps: str) -> dict:
    pictures, points = pysaliency.read_hdf5(stimuli), pysaliency.read_hdf5(fixations)
    model = pysaliency.HDF5Model(pictures, densities)
    saliency = pysaliency.HDF5SaliencyMapModel(pictures, maps)
    return {
        "version": getattr(pysaliency, "__version__", ""),
        "stimuli": [type(pictures).__name__, len(pictures), [np.asarray(shape).tolist() for shape in pictures.shapes]],
        "sums": [int(np.asarray(picture).astype(int).sum()) for picture in pictures.stimuli],
        "fixations": [type(points).__name__, {name: numbers(getattr(points, name)) for name in COLUMNS}],
        "durations": numbers(points.duration) if hasattr(points, "duration") else None,
        "history": numbers(points.x_hist[-1]),
        "log_densities": [float(model.log_density(picture).sum()) for picture in pictures],
        "maps": [float(saliency.saliency_map(picture).sum()) for picture in pictures],
        "information_gain": float(model.information_gain(pictures, points, baseline_model=pysaliency.UniformModel())),
    }


def write(folder: str) -> dict:
    """Stimuli, fixations, a model and a saliency map model as pysaliency itself writes them."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (24, 32, 3), dtype=np.uint8), rng.integers(0, 255, (20, 28), dtype=np.uint8)]
    stimuli = pysaliency.Stimuli(pictures)
    xs, ys, ts = [[1.5, 30.25, 7.0], [10.0]], [[2.0, 19.5, 3.0], [11.0]], [[0.1, 0.5, 0.9], [0.2]]
    trains = pysaliency.FixationTrains.from_fixation_trains(xs, ys, ts, [0, 1], [4, 2])
    points = pysaliency.Fixations.create_without_history(trains.x, trains.y, trains.n)
    stimuli.to_hdf5(str(Path(folder) / "stimuli.hdf5"))
    trains.to_hdf5(str(Path(folder) / "trains.hdf5"))
    points.to_hdf5(str(Path(folder) / "points.hdf5"))
    return {"sums": [int(picture.astype(int).sum()) for picture in pictures]}


if __name__ == "__main__":
    result = write(sys.argv[2]) if sys.argv[1] == "write" else read(*sys.argv[1:])
    print("\n" + json.dumps(result))

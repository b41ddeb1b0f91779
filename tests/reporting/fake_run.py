"""A run folder in the layout of the commands, with realistic numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

PRESETS = ("paper", "normalized", "sparse")
SKILL = {"paper": 0.02, "normalized": 0.55, "sparse": 0.85}  # fidelity of a preset for a layer
METRICS = {"cc": 0.66, "sim": 0.58, "nss": 1.42, "kld": 0.71, "auc": 0.84, "auc_judd": 0.85, "sauc": 0.71}
NAMES = ["stem.conv", "stem.relu"] + [
    f"blocks.{block}.{branch}.{kind}"
    for block in range(3)
    for branch in ("conv3", "conv5")
    for kind in ("conv", "relu")
]
NAMES += ["dilated.reduce", "dilated.rate4", "dilated.rate8", "dilated.rate16", "decoder.0", "decoder.1", "readout"]
SIZE = (96, 128)
WAVELENGTHS = np.array([3.0, 6.0, 12.0, 24.0])
ORIENTATIONS = np.arange(5) * np.pi / 5
SIGMAS = np.array([0.75, 0.65, 0.55, 0.45])


def write_fake_run(
    folder: Path, images: int = 5, presets: Sequence[str] = PRESETS, names: Sequence[str] = NAMES, seed: int = 0
) -> Path:
    """Write every part of a run into `folder`."""
    rng = np.random.default_rng(seed)
    ids = [f"scene_{number:04d}" for number in range(1401, 1401 + images)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("model:\n  _target_: explainsal.models.cmrnet.CMRNet\n  width: 16\nseed: 7\n")
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT, indent=2))
    (folder / "checkpoints").mkdir(exist_ok=True)
    write_training(folder, rng)
    write_results(folder)
    scenes = {id: Scene(rng) for id in ids}
    write_per_image(folder, ids)
    write_gallery(folder, scenes, rng)
    for preset in presets:
        write_explanation(folder / "explanation" / preset, SKILL[preset], ids[:3], names, scenes, rng)
    return folder


ENVIRONMENT = {
    "command": "python -m explainsal.train +experiment=demo data=synthetic",
    "started": "2026-11-23T06:00:00+00:00",
    "finished": "2026-11-23T06:07:41+00:00",
    "seed": 7,
    "git_commit": "ae4011e5d0c3b7f2a1908d7c6b5a49382716f0e9",
    "git_dirty": True,
    "device": "cpu (2 threads)",
    "python": "3.11.2",
    "platform": "Linux-6.1 x86_64, glibc 2.36",
    "packages": {"torch": "2.13.0+cpu", "lightning": "2.6.6", "numpy": "2.3.1", "kornia": "0.8.2"},
    "model": {
        "name": "cmrnet",
        "parameters": 160_433,
        "macs": 1_234_567_890,
        "input_size": [96, 128],
        "weights": "trained here",
    },
}


class Scene:
    """Return an image with a few bright discs, fixations on them, and their density."""

    def __init__(self, rng: np.random.Generator) -> None:
        height, width = SIZE
        self.y, self.x = np.mgrid[:height, :width] + 0.5
        self.centers = rng.uniform([20, 20], [width - 20, height - 20], size=(3, 2))
        self.weights = rng.dirichlet([2, 1, 1])
        ground = 0.35 + 0.1 * np.sin(self.x / rng.uniform(4, 9)) * np.cos(self.y / rng.uniform(4, 9))
        picture = np.stack([ground * tint for tint in rng.uniform(0.7, 1.3, size=3)], axis=-1)
        for center in self.centers:
            inside = np.hypot(self.x - center[0], self.y - center[1]) < rng.uniform(6, 14)
            picture[inside] = rng.uniform(0.2, 1.0, size=3)
        self.image = (picture.clip(0, 1) * 255).astype(np.uint8)
        self.density = self.blobs(10)
        choice = rng.choice(3, size=40, p=self.weights)
        looks = self.centers[choice] + rng.normal(scale=6, size=(40, 2))
        self.fixations = looks.clip(0.0, [width - 0.5, height - 0.5])

    def blobs(self, sigma: float) -> np.ndarray:
        squares = [(self.x - x) ** 2 + (self.y - y) ** 2 for x, y in self.centers]
        map_ = sum(w * np.exp(-s / (2 * sigma**2)) for w, s in zip(self.weights, squares, strict=True))
        return (map_ / map_.sum()).astype(np.float32)


def write_training(folder: Path, rng: np.random.Generator, epochs: int = 14) -> None:
    rows: list[dict[str, float]] = []
    for epoch in range(epochs):
        fit = 1 - np.exp(-(epoch + 1) / 4)
        rows += [
            {"epoch": epoch, "step": epoch * 40 + s, "train/loss": 2 - 1.3 * fit + rng.normal() / 20} for s in (9, 39)
        ]
        scores = {f"val/{name}": METRICS[name] * fit + rng.normal() / 80 for name in ("cc", "sim", "nss")}
        loss = 2 - 1.1 * fit + rng.normal() / 30
        rows.append({"epoch": epoch, "step": epoch * 40 + 39, "val/loss": loss, "val/kld": 1.6 - 0.8 * fit, **scores})
        rows.append({"epoch": epoch, "step": epoch * 40 + 39, "lr-Adam": 1e-3 * 0.5 ** (epoch // 4)})
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)


def write_results(folder: Path) -> None:
    skill = {"deep": 1.0, **{f"explainable/{p}": s for p, s in SKILL.items()}, "center_bias": 0.5, "chance": 0.0}
    chance = {"auc": 0.5, "auc_judd": 0.5, "sauc": 0.5, "kld": 1.9, "sim": 0.3}
    rows = []
    for model, share in skill.items():
        for metric, top in METRICS.items():
            mean = top * share + chance.get(metric, 0.0) * (1 - share)
            rows.append((model, metric, mean, mean - 0.02, mean + 0.02))
        if model.startswith("explainable"):
            rows.append((model, "cc_to_deep", share, share - 0.03, share + 0.03))
    frame = pd.DataFrame(rows, columns=["model", "metric", "mean", "low", "high"])
    frame = frame.assign(images=100, skipped=0, profile="tuebingen", data="osie", split="test", release="2014")
    frame.assign(density_sigma=24.0).to_csv(folder / "results.csv", index=False)


def write_per_image(folder: Path, ids: list[str]) -> None:
    others = [f"scene_{number:04d}" for number in range(1401 + len(ids), 1501)]
    # The gallery holds the best and the worst image and some in between, so their ids are spread.
    place = {id: rank for rank, id in zip(np.linspace(0, 99, len(ids)).astype(int), ids, strict=True)}
    place |= dict(zip(others, sorted(set(range(100)) - set(place.values())), strict=False))
    rows = [
        {"model": model, "id": id, "index": index, "fixations": 40, "cc": share * (0.9 - 0.006 * place[id])}
        for model, share in (("deep", 1.0), ("explainable/sparse", 0.85))
        for index, id in enumerate(ids + others)
    ]
    pd.DataFrame(rows).to_parquet(folder / "per_image.parquet", index=False)


def write_gallery(folder: Path, scenes: dict[str, Scene], rng: np.random.Generator) -> None:
    (folder / "gallery").mkdir(exist_ok=True)
    for id, scene in scenes.items():
        deep = scene.blobs(14)
        noise = rng.normal(size=(len(PRESETS), *SIZE)).astype(np.float32) * deep.max() / 6
        maps = {f"explainable/{p}": SKILL[p] * deep + noise[i] * (1 - SKILL[p]) for i, p in enumerate(PRESETS)}
        arrays = {"image": scene.image, "density": scene.density, "fixations": scene.fixations, "deep": deep, **maps}
        np.savez_compressed(folder / "gallery" / f"{id}.npz", **arrays)


def write_explanation(
    folder: Path, skill: float, ids: list[str], names: Sequence[str], scenes: dict[str, Scene], rng: np.random.Generator
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    layers, coefficients, maps = [], [], {}
    for id in ids:
        for layer, name in enumerate(names):
            size = tuple(side >> min(3, layer // 5) for side in SIZE)
            fit = float(np.clip(skill * (1 - 0.4 * layer / len(names)) + rng.normal() / 30, -1, 1))
            error = float(np.clip(1.05 - fit + rng.normal() / 40, 0.02, None))
            layers.append(
                (id, layer, name, name.rsplit(".")[-1], 16, *size, str(max(0, layer - 1)), error / 5, error, fit, 1)
            )
            for index in range(2):
                coefficients += fake_coefficients(id, layer, index, rng)
                truth = scenes[id].blobs(6 + layer)[:: SIZE[0] // size[0], :: SIZE[1] // size[1]]
                truth = truth / truth.max() + 0.1 * np.sin(np.indices(truth.shape)[index] / 2)
                rebuilt = fit * truth + (1 - abs(fit)) * 0.3 * rng.normal(size=truth.shape)
                maps[f"{id}/{layer}/{index}/activation"] = truth.astype(np.float16)
                maps[f"{id}/{layer}/{index}/reconstruction"] = rebuilt.astype(np.float16)
    columns = "image layer name kind channels height width parents activation_mae relative_mae correlation dead"
    pd.DataFrame(layers, columns=columns.split()).to_csv(folder / "layers.csv", index=False)
    pd.DataFrame(coefficients).to_parquet(folder / "coefficients.parquet", index=False)
    np.savez_compressed(folder / "maps.npz", **maps)
    if skill > 0.5:
        write_fidelity(folder, skill, ids)


def write_fidelity(folder: Path, skill: float, ids: list[str]) -> None:
    variants = {"explanation": skill, "shuffled_filters": skill - 0.25, "untrained_network": 0.36, "random_layer": 0.2}
    rows = [
        {"variant": variant, "image": id, "cc_to_deep": reached + 0.01 * i, "layer_correlation": 0.5, "cc": reached / 2}
        for variant, reached in variants.items()
        for i, id in enumerate(ids)
    ]
    pd.DataFrame(rows).to_csv(folder / "fidelity.csv", index=False)


def fake_coefficients(id: str, layer: int, index: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Return eight filters at two scales with a bandwidth that grows with the layer, a low-pass filter, a constant."""
    source = "input" if layer == 0 else f"{NAMES[layer - 1]}/{rng.integers(10)}"
    common = {"image": id, "layer": layer, "map": index, "source": source, "scale": 1.0, "kept": index == 0}
    rows = []
    for term in range(16):
        width = int(np.clip(rng.normal(4 * layer / len(NAMES), 0.8), 0, 3))
        parameters = {
            "wavelength": float(rng.choice(WAVELENGTHS)),
            "orientation": float(rng.choice(ORIENTATIONS)),
            "sigma_on_f": float(SIGMAS[width]),
            "sigma_theta": 0.6,
        }
        rows.append(common | {"term": term, "weight": float(rng.normal()), "scale": 1.0 + term % 2} | parameters)
    nothing = dict.fromkeys(("orientation", "sigma_on_f", "sigma_theta"), np.nan)
    rows.append(common | {"term": 16, "weight": 0.3, "wavelength": 4 * np.pi} | nothing)
    rows.append(common | {"term": -1, "weight": 40.0, "wavelength": np.nan, "source": ""} | nothing)
    return rows

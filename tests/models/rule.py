"""The deterministic synthetic weights of shared/fixtures/networks/RULE.md, implemented from its text."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch

SCALES = {"bias": 0.05, "gru_bias": 0.05, "bn_bias": 0.1, "bn_mean": 0.1}


def rule_value(key: str, shape: tuple[int, ...], kind: str, fan_in: int | None = None) -> np.ndarray:
    """Return one entry; `fan_in` of a convolution weight defaults to that of the layout (O, I / groups, kh, kw)."""
    if kind == "int_zero":
        return np.zeros(shape, dtype=np.int64)
    if kind == "drop_mask":
        return np.full(shape, 1.25, dtype=np.float32)
    z = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if kind.startswith("conv_weight"):
        fan_in = int(np.prod(shape[1:])) if fan_in is None else fan_in
        value = z * np.float32(np.sqrt(2 / fan_in))
        return value / np.float32(64) if kind.endswith("/64") else value
    if kind in SCALES:
        return np.float32(SCALES[kind]) * z
    if kind in ("bn_weight", "gru_scale"):
        return np.float32(1) + np.float32(0.1) * z
    if kind == "bn_var":
        return np.float32(1) + np.float32(0.2) * np.abs(z)
    if kind == "gaussians":
        center, log_std = np.float32(0.5) + np.float32(0.2) * z[..., 0], np.float32(-1) + np.float32(0.3) * z[..., 1]
        return np.stack([center, log_std], axis=-1)
    raise ValueError(f"unknown kind {kind}")


def unisal_state(like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return UNISAL's state dict, for entries of these names and shapes."""
    return {
        key: torch.from_numpy(np.asarray(rule_value(key, tuple(value.shape), unisal_kind(key))))
        for key, value in like.items()
    }


def msinet_state(like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return MSI-Net's state dict in torch's layout, for entries of these names and shapes."""
    state = {}
    for key, value in like.items():
        name = key.replace(".", "/").removesuffix("weight") + ("kernel" if key.endswith("weight") else "")
        drawn = torch.from_numpy(msinet_variable(name, in_tensorflow(value)))
        state[key] = drawn.permute(3, 2, 0, 1).contiguous() if drawn.ndim == 4 else drawn
    return state


def msinet_variable(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one variable of MSI-Net's graph, in TensorFlow's layout."""
    kind = "bias" if name.endswith("bias") else "conv_weight" + ("/64" if name == "conv1/conv1_1/kernel" else "")
    return rule_value(name, shape, kind, fan_in=int(np.prod(shape[:-1])))


def in_tensorflow(value: torch.Tensor) -> tuple[int, ...]:
    """Return the shape of an entry in TensorFlow's layout."""
    return tuple(value.permute(2, 3, 1, 0).shape if value.ndim == 4 else value.shape)


def unisal_kind(key: str) -> str:
    """Return the kind of an entry of UNISAL's state dict, derived from its name."""
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return "int_zero"
    if last == "drop_mask_1":
        return "drop_mask"
    if key.startswith("coarse_gaussians"):
        return "gaussians"
    if ".cell_list.0.a_" in key:
        return "gru_scale"
    if ".cell_list.0.b_" in key:
        return "gru_bias"
    if last in ("running_mean", "running_var"):
        return {"running_mean": "bn_mean", "running_var": "bn_var"}[last]
    norm = ".bn_" in key or (key.startswith(("cnn.", "post_cnn.")) and _encoder_norm(key))
    if norm:
        return f"bn_{last}"
    return "conv_weight" if last == "weight" else "bias"


def _encoder_norm(key: str) -> bool:
    """Return whether a member of the encoder or of post_cnn is a batch normalization, from its place in the block."""
    parts = key.split(".")
    place = int(parts[-2])
    if "conv" not in parts:  # first and last module of the encoder: convolution, normalization
        return place == 1
    widened = not (key.startswith("post_cnn") or parts[2] == "1")
    return place in ((1, 4, 7) if widened else (1, 4))

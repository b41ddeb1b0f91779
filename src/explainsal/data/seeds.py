"""Seeds for the random numbers of a training."""

from __future__ import annotations

import hashlib
import os

import torch


def mix_seed(*numbers: int) -> int:
    """Derive a seed from several numbers; similar numbers give unrelated seeds.

    Example:
        >>> mix_seed(0, 1) == mix_seed(0, 1) != mix_seed(1, 0)
        True
    """
    text = " ".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def run_seed() -> int:
    """Return the seed passed to ``lightning.seed_everything``, else that of torch's generator."""
    given = os.environ.get("PL_GLOBAL_SEED")
    return torch.initial_seed() if given is None else int(given)

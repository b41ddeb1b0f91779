"""TensorFlow's checkpoints: an index, which is a sorted table of LevelDB's format, and shards of raw tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explainsal.errors import MissingFilesError
from explainsal.models.tensorflow.crc32c import masked
from explainsal.models.tensorflow.protobuf import Message, varint
from explainsal.models.tensorflow.tensors import FLOAT, as_array, shape_of

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER = 5  # bytes behind a block: compression, checksum


def checkpoint_variables(prefix: Path, wanted: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Read variables of a checkpoint.

    Args:
        prefix: Path without ``.index`` and ``.data-...``.
        wanted: Names of variables.

    Returns:
        Those that are there.

    Raises:
        ValueError: If the files are damaged; every checksum is compared.
        MissingFilesError: If a shard is not there.
    """
    entries = dict(_entries(memoryview(prefix.with_name(f"{prefix.name}.index").read_bytes())))
    header = Message(entries.get(b"", memoryview(b"")))
    shards, big_endian = header.number(1), header.number(2)
    if not 1 <= shards <= 99999 or big_endian:
        raise ValueError("it has no header of a little-endian checkpoint")
    opened: dict[int, memoryview] = {}
    found = {}
    for name in wanted:
        if name.encode() in entries:
            entry = Message(entries[name.encode()])
            shard = entry.number(3)
            if not 0 <= shard < shards:
                raise ValueError(f"{name} lies in shard {shard} of {shards}")
            if shard not in opened:
                opened[shard] = _shard(prefix, shard, shards)
            found[name] = _tensor(name, entry, opened[shard])
    return found


def _shard(prefix: Path, shard: int, shards: int) -> memoryview:
    path = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")
    if not path.is_file():
        raise MissingFilesError(f"the checkpoint {prefix} lacks {path.name}: copy it beside {prefix.name}.index")
    return memoryview(path.read_bytes())


def _tensor(name: str, entry: Message, shard: memoryview) -> NDArray[np.float32]:
    start, size = entry.number(4), entry.number(5)
    if entry.number(1) != FLOAT or start < 0 or size < 0 or start + size > len(shard):
        raise ValueError(f"{name} is no 32-bit floating-point tensor inside its shard, which has {len(shard)} bytes")
    data = shard[start : start + size]
    if masked(data) != entry.number(6) & 0xFFFFFFFF:
        raise ValueError(f"the checksum of {name} differs")
    return as_array(data, shape_of(entry.message(2)))


def _entries(table: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a table, through its index of blocks."""
    if len(table) < _FOOTER or int.from_bytes(table[-8:], "little") != _MAGIC:
        raise ValueError("its index is cut off, or no checkpoint's")
    footer = table[-_FOOTER:]
    _, at = varint(footer, 0)  # place and size of a block that checkpoints leave empty
    _, at = varint(footer, at)
    for _, handle in _block(table, footer[at:]):
        yield from _block(table, handle)


def _block(table: memoryview, handle: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a block; a key is written as what differs from the one before."""
    start, at = varint(handle, 0)
    size, _ = varint(handle, at)
    if start + size + _TRAILER > len(table) or size < 4:
        raise ValueError("a block of its index lies outside of the file")
    block, trailer = table[start : start + size], table[start + size : start + size + _TRAILER]
    if int.from_bytes(trailer[1:], "little") != masked(table[start : start + size + 1]):
        raise ValueError("the checksum of a block of its index differs")
    if trailer[0] != 0:
        raise ValueError("its index is compressed, which TensorFlow's checkpoints are not")
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")  # the places where keys are whole are not needed
    if end < 0:
        raise ValueError("a block of its index is too short")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        added, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or at + added + length > end:
            raise ValueError("an entry of its index is cut off")
        key = key[:shared] + bytes(block[at : at + added])
        yield key, block[at + added : at + added + length]
        at += added + length

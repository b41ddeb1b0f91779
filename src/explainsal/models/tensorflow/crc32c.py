"""The checksum of TensorFlow's checkpoints, CRC-32C (Castagnoli), over many pieces of the data at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_LANES = 4096  # pieces that are taken side by side
_MASK = 0xA282EAD8


def _table() -> NDArray[np.uint32]:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = (values >> np.uint32(1)) ^ np.where(values & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return values.astype(np.uint32)


_TABLE = _table()


def crc32c(data: bytes | memoryview) -> int:
    """CRC-32C.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    values = np.frombuffer(data, dtype=np.uint8)
    length = len(values) // _LANES
    state = 0xFFFFFFFF
    if length:
        lanes = _through(np.zeros(_LANES, dtype=np.uint32), values[: length * _LANES].reshape(_LANES, length).T)
        moved = [_through(np.arange(256, dtype=np.uint32) << np.uint32(8 * i), None, length) for i in range(4)]
        for lane in lanes.tolist():  # the checksum is linear: move what came before past a piece, add the piece's own
            state = int(np.bitwise_xor.reduce([moved[i][state >> 8 * i & 255] for i in range(4)])) ^ lane
    rest = _through(np.array([state], dtype=np.uint32), values[length * _LANES :, None])
    return int(rest[0]) ^ 0xFFFFFFFF


def masked(data: bytes | memoryview) -> int:
    """The checksum as it is written into files: rotated, with a constant added."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def _through(state: NDArray[np.uint32], rows: NDArray[np.uint8] | None, zeros: int = 0) -> NDArray[np.uint32]:
    """States after rows of bytes, one byte for each state, or after so many zeros."""
    for row in [np.uint8(0)] * zeros if rows is None else rows:
        state = _TABLE[(state ^ row) & 255] ^ (state >> np.uint32(8))
    return state

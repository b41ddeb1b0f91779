"""Wire format of protocol buffers: fields by number; messages are slices of the file, without copies."""

from __future__ import annotations

from collections.abc import Iterator

Value = int | memoryview

_SIZES = {1: 8, 5: 4}  # wire types of fixed width, in bytes


class Message:
    """Fields of a message by number; unknown fields are kept and ignored.

    Raises:
        ValueError: If the bytes are not a message.
    """

    def __init__(self, data: memoryview) -> None:
        self._fields: dict[int, list[Value]] = {}
        for number, value in _fields(data):
            self._fields.setdefault(number, []).append(value)

    def blobs(self, number: int) -> list[memoryview]:
        """Return all values of a field of bytes, text or messages."""
        values = self._fields.get(number, [])
        if any(isinstance(value, int) for value in values):
            raise ValueError(f"field {number} holds a number instead of bytes")
        return [value for value in values if isinstance(value, memoryview)]

    def blob(self, number: int) -> memoryview:
        """Return the last value of such a field; empty if it is absent."""
        return (self.blobs(number) or [memoryview(b"")])[-1]

    def text(self, number: int) -> str:
        """Return a text field."""
        return str(self.blob(number), "utf-8")

    def message(self, number: int) -> Message:
        """Return a field that is a message; an empty message if it is absent."""
        return Message(self.blob(number))

    def messages(self, number: int) -> list[Message]:
        """Return all messages of a field."""
        return [Message(blob) for blob in self.blobs(number)]

    def number(self, number: int) -> int:
        """Return a number field, 0 if it is absent; varints are signed."""
        value = (self._fields.get(number) or [0])[-1]
        if isinstance(value, memoryview):
            raise ValueError(f"field {number} holds bytes instead of a number")
        return value

    def fixed32(self, number: int) -> bytes:
        """Return all values of a field of fixed 32-bit numbers, packed or not, as little-endian bytes."""
        values = self._fields.get(number, [])
        return b"".join(v.to_bytes(8, "little", signed=True)[:4] if isinstance(v, int) else bytes(v) for v in values)


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read an unsigned number of at most 64 bits; return it and the position after it."""
    result = 0
    for i in range(10):
        if at + i >= len(data):
            raise ValueError("a number is cut off")
        result |= (data[at + i] & 0x7F) << (7 * i)
        if data[at + i] < 0x80:
            return result & (2**64 - 1), at + i + 1
    raise ValueError("a number has more than 64 bits")


def _fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if kind == 0:
            value, at = varint(data, at)
            yield number, value - 2**64 if value >= 2**63 else value
            continue
        if kind == 2:
            size, at = varint(data, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise ValueError(f"unknown wire type {kind}")
        if size > len(data) - at:
            raise ValueError("a field is cut off")
        chunk, at = data[at : at + size], at + size
        yield number, chunk if kind == 2 else int.from_bytes(chunk, "little", signed=kind == 1)

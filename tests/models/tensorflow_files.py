"""An independent writer of TensorFlow's graphs, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def varint(value: int) -> bytes:
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field * 8) + varint(value)


def blob(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return varint(field * 8 + 2) + varint(len(value)) + value


def shape(sizes: tuple[int, ...]) -> bytes:
    return b"".join(blob(2, number(1, size)) for size in sizes)


def tensor(value: np.ndarray) -> bytes:
    head = number(1, 1) + blob(2, shape(value.shape))
    return head + (blob(5, value.tobytes()) if value.size == 1 else blob(4, value.tobytes()))


def node(name: str, op: str, inputs: tuple[str, ...] = (), attributes: bytes = b"") -> bytes:
    return blob(1, name) + blob(2, op) + b"".join(blob(3, i) for i in inputs) + attributes


def constant(name: str, value: np.ndarray) -> bytes:
    return node(name, "Const", (), blob(5, blob(1, "value") + blob(2, blob(8, tensor(value)))))


def nodes(variables: dict[str, np.ndarray], merged: dict[str, str]) -> list[bytes]:
    """Write constants and the operations that use them; `merged` lists names that share another name's constant."""
    found = [constant(name, value) for name, value in variables.items() if name not in merged]
    for name in variables:
        scope, _, last = name.rpartition("/")
        op = "Conv2D" if last == "kernel" else "BiasAdd"
        source = merged.get(name, name)
        found.append(node(f"{source}/read_by/{scope}", "Identity", (source,)))
        found.append(node(f"{scope}/{op}", op, ("x", f"{source}/read_by/{scope}:0")))
    return found


def frozen_graph(path: Path, variables: dict[str, np.ndarray], merged: dict[str, str] | None = None) -> Path:
    path.write_bytes(b"".join(blob(1, item) for item in nodes(variables, merged or {})))
    return path


def saved_model(folder: Path, variables: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    function = blob(1, blob(1, "__inference_pruned_1")) + b"".join(blob(3, item) for item in nodes(variables, {}))
    (folder / "saved_model.pb").write_bytes(number(1, 1) + blob(2, blob(2, blob(2, blob(1, function)))))
    return folder

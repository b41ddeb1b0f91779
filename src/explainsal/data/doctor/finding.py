"""Findings: faults or suspected faults of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SHOWN = 5  # maximum number of examples in a sentence

Kind = Literal[
    "refused", "missing partner", "orphan", "unreadable", "duplicate image", "leakage", "blank image", "rotated",
    "not a number", "out of image", "swapped axes", "wrong units", "one-based", "clipped", "repeated points",
    "same fixations", "empty image", "odd count", "off centre", "constant density", "density size", "density mismatch",
    "mirrored", "doubled rows", "other format",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A fault or suspected fault.

    Args:
        split: Affected split; "" for the whole folder.
        text: Description with numbers and advice.
        items: Affected ids or files; empty if all are affected.
    """

    kind: Kind
    split: str
    text: str
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ", ".join(self.items[:SHOWN]) + (", ..." if len(self.items) > SHOWN else "")
        place = f"{self.split}: " if self.split else ""
        return f"[{self.kind}] {place}{self.text}" + (f" ({names})" if names else "")


def finding(kind: Kind, split: str, text: str, items: Sequence[str]) -> list[Finding]:
    """Return one finding if `items` is not empty, else none; ``{n}`` in the text becomes the number of items."""
    return [Finding(kind, split, text.format(n=f"{len(items):,}"), tuple(items))] if items else []

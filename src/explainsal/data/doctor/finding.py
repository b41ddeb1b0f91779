"""One thing that is wrong with a data set, or looks like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SHOWN = 5  # examples that a sentence names

Kind = Literal[
    "refused", "missing partner", "orphan", "unreadable", "duplicate image", "leakage", "blank image", "rotated",
    "not a number", "out of image", "swapped axes", "wrong units", "one-based", "clipped", "repeated points",
    "same fixations", "empty image", "odd count", "off centre", "constant density", "density size", "density mismatch",
    "mirrored", "doubled rows", "other format",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """What is wrong.

    Args:
        kind: Which of the things that the doctor looks for.
        split: Where; "" for the folder as a whole.
        text: A sentence with numbers, and what to do about it.
        items: Ids or files that it concerns, none where it concerns all.
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
    """One finding if there are `items`, none otherwise; ``{n}`` in the text is their number."""
    return [Finding(kind, split, text.format(n=f"{len(items):,}"), tuple(items))] if items else []

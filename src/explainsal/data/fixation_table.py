"""The fixations of a whole data set as one compact table, so that no one parses a file twice."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from explainsal.errors import CorruptFileError

Outside = Literal["drop", "error"]


@dataclass(frozen=True, eq=False)
class FixationTable:
    """Every fixation of every image, those of image ``i`` in rows ``offsets[i]`` to ``offsets[i + 1]``.

    Args:
        ids: One id per image.
        sizes: Shape ``(n, 2)``, int32: height and width of each image in pixels.
        xy: Shape ``(N, 2)``, float32 or float64: x to the right, y down, in pixels, pixel i covers [i, i + 1).
        observer: Shape ``(N,)``, uint16: 0, 1, ... within an image; in the order in which they looked.
        offsets: Shape ``(n + 1,)``, int64.
    """

    ids: tuple[str, ...]
    sizes: np.ndarray
    xy: np.ndarray
    observer: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_observers(
        cls, ids: Sequence[str], sizes: Sequence[tuple[int, int]], observers: Sequence[Sequence[np.ndarray]]
    ) -> FixationTable:
        """Collect, for every image, one ``(K, 2)`` array of (x, y) per observer.

        Example:
            >>> table = FixationTable.from_observers(["a"], [(4, 6)], [[np.array([[0.5, 1.5]]), np.zeros((0, 2))]])
            >>> table.points(0).tolist(), table.counts.tolist()
            ([[0.5, 1.5]], [1])
        """
        flat = [points for image in observers for points in image]
        number = [k for image in observers for k, points in enumerate(image) for _ in range(len(points))]
        counts = [sum(len(points) for points in image) for image in observers]
        return cls(
            ids=tuple(ids),
            sizes=np.asarray(sizes, dtype=np.int32).reshape(-1, 2),
            xy=np.concatenate([*flat, np.zeros((0, 2), flat[0].dtype if flat else np.float64)]),
            observer=np.asarray(number, dtype=np.uint16),
            offsets=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> np.ndarray:
        """Fixations per image, shape ``(n,)``."""
        return np.diff(self.offsets)

    def points(self, index: int) -> np.ndarray:
        """The fixations of one image, shape ``(N, 2)``, float64, a copy."""
        return self.xy[self.offsets[index] : self.offsets[index + 1]].astype(np.float64)

    def select(self, indices: Sequence[int]) -> FixationTable:
        """The table of some of the images, in the given order."""
        rows = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in indices]
        keep = np.concatenate([*rows, np.zeros(0, np.int64)]).astype(np.int64)
        return FixationTable(
            ids=tuple(self.ids[i] for i in indices),
            sizes=self.sizes[list(indices)].reshape(-1, 2),
            xy=self.xy[keep],
            observer=self.observer[keep],
            offsets=np.concatenate([[0], np.cumsum([len(r) for r in rows], dtype=np.int64)]).astype(np.int64),
        )

    def inside(self, outside: Outside, name: str) -> FixationTable:
        """The table without the fixations that miss their image.

        Args:
            outside: ``"drop"`` leaves them out with one warning that counts them, ``"error"`` refuses the data set.
            name: What the message calls the data set.

        Raises:
            CorruptFileError: If `outside` is ``"error"`` and there are any.
            ValueError: If `outside` is neither.
        """
        if outside not in ("drop", "error"):
            raise ValueError(f'outside must be "drop" or "error", got {outside!r}')
        image = np.repeat(np.arange(len(self)), self.counts)
        limits = self.sizes[image][:, ::-1]  # (width, height) beside (x, y)
        inside = np.logical_and.reduce((self.xy >= 0) & (self.xy < limits), axis=1)  # False for NaN
        if inside.all():
            return self
        first = int(np.flatnonzero(~inside)[0])
        message = (
            f"{name}: {int((~inside).sum())} of {len(inside)} fixations lie outside their image, the first in "
            f"{self.ids[image[first]]} at (x, y) = ({self.xy[first, 0]:g}, {self.xy[first, 1]:g})"
        )
        if outside == "error":
            raise CorruptFileError(f"{message}. Set outside=drop to leave them out.")
        warnings.warn(f"{message}; they are left out.", stacklevel=2)
        counts = np.bincount(image[inside], minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return replace(self, xy=self.xy[inside], observer=self.observer[inside], offsets=offsets)

    def save(self, path: Path) -> None:
        """Write the table as a compressed .npz file."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                ids=np.array(self.ids, dtype=np.str_),
                sizes=self.sizes,
                xy=self.xy,
                observer=self.observer,
                offsets=self.offsets,
            )

    @classmethod
    def load(cls, path: Path) -> FixationTable:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            ids = tuple(str(i) for i in file["ids"])
            return cls(ids, file["sizes"], file["xy"], file["observer"], file["offsets"])

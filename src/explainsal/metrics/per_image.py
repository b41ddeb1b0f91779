"""A torchmetrics Metric whose state is a table on the CPU: one row per image, each image counted once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

if TYPE_CHECKING:
    import pandas as pd


_NUMBERS = itertools.count()


class PerImageTable(Metric):
    """Table with rows (index, value of each column), gathered from all processes on reading.

    An index that occurs twice, e.g. through the padding of a distributed sampler, counts as one image. Images without
    an index are counted individually. Sums are rounded exactly, so means do not depend on the batches, their order,
    or the number of processes.

    Args:
        columns: Names of the values.
        kwargs: Further arguments of `torchmetrics.Metric`.
    """

    full_state_update = False
    is_differentiable = False

    def __init__(self, columns: Sequence[str], **kwargs: Any) -> None:
        super().__init__(dist_sync_fn=self._gather, **kwargs)
        self.columns = tuple(columns)
        # unique state name: MetricCollection merges metrics whose states are equal after one batch
        self._rows = f"rows_{next(_NUMBERS)}"
        self.add_state(self._rows, default=[], dist_reduce_fx="cat")

    @property
    def rows(self) -> Any:
        """State: one tensor ``(B, 1 + columns)`` per batch, or a single tensor once the processes are synchronized."""
        return getattr(self, self._rows)

    def append(self, index: Tensor | None, values: Mapping[str, Tensor]) -> None:
        """Add one row per image.

        Args:
            index: Shape ``(B,)``, int64, positions in the data set. None: every image counts.
            values: Column -> shape ``(B,)``.
        """
        device = values[self.columns[0]].device if index is None else index.device
        columns = [values[name].to(device, torch.float64) for name in self.columns]
        first = torch.full_like(columns[0], torch.nan) if index is None else index.to(torch.float64)
        self.rows.append(torch.stack([first, *columns], dim=1).cpu())  # one copy per batch

    def compute(self) -> dict[str, Tensor]:
        """Return the mean of each column over the images where it is defined: float64 scalars on the CPU."""
        table = self._table()
        return {name: torch.tensor(_mean(table[:, i + 1]), dtype=torch.float64) for i, name in enumerate(self.columns)}

    def per_image(self) -> pd.DataFrame:
        """Return one row per image of all processes, sorted by index: ``index``, then the columns.

        Images without an index are numbered in order of arrival. This is a collective call: every process has to make
        it.
        """
        import pandas as pd

        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync):
            table = self._table()
        frame = pd.DataFrame(table[:, 1:].numpy(), columns=list(self.columns))
        unknown = table[:, 0].isnan()
        index = torch.where(unknown, unknown.cumsum(0) - 1, table[:, 0].nan_to_num().long())
        frame.insert(0, "index", index.numpy())
        return frame

    def undefined(self) -> dict[str, int]:
        """Return the number of images where each column is NaN and ignored in its mean, e.g. for lack of fixations.

        This is a collective call, like `per_image`.
        """
        table = self.per_image()
        return {name: int(table[name].isna().sum()) for name in self.columns}

    def _table(self) -> Tensor:
        """Return one row per image, sorted by index."""
        rows = [self.rows] if isinstance(self.rows, Tensor) else self.rows  # a tensor after synchronization
        table = torch.cat([torch.zeros(0, len(self.columns) + 1, dtype=torch.float64), *(r.cpu() for r in rows)])
        if bool(table[:, 0].isnan().any()) and not bool(table[:, 0].isnan().all()):
            raise ValueError(
                "some images came with an index and some without: give index=... in every update or in none"
            )
        table = table[table[:, 0].argsort(stable=True)]
        again = torch.zeros(len(table), dtype=torch.bool)
        again[1:] = table[1:, 0] == table[:-1, 0]
        self._check_repeated(table, again)
        return table[~again]

    def _check_repeated(self, table: Tensor, again: Tensor) -> None:
        """Raise if two rows with one index differ by more than rounding: then two images share an index."""
        first, second = table[:-1][again[1:]], table[1:][again[1:]]
        differ = ~torch.isclose(first, second, rtol=0.05, atol=0.05, equal_nan=True)
        if bool(differ.any()):
            index = int(first[differ.any(dim=1)][0, 0])
            raise ValueError(
                f"index {index} came twice with different values: index must be the image's position in the data set, "
                "not in the batch (and a metric must be reset before the next epoch)"
            )

    def _gather(self, rows: Tensor, group: Any = None) -> list[Tensor]:
        """Gather the tables of all processes.

        A process without images has an empty table of another shape. NCCL cannot gather CPU tensors.
        """
        rows = rows.to(torch.float64).reshape(-1, len(self.columns) + 1)
        if torch.distributed.get_backend(group) == "nccl":
            rows = rows.cuda()
        return [table.cpu() for table in gather_all_tensors(rows, group)]


def _mean(values: Tensor) -> float:
    defined = values[~values.isnan()].tolist()
    return math.fsum(defined) / len(defined) if defined else math.nan

"""Pictures of one's own as a Lightning data module, to predict and explain."""

from __future__ import annotations

from pathlib import Path

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.folder import read_folder
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError


class FolderDataModule(SaliencyDataModule):
    """One picture or a folder of them, without ground truth; see `read_folder`.

    Args:
        images: A picture or a folder.
        batch_size: Images per batch; a batch holds images of one size only.
        num_workers: Worker processes.
        pin_memory: Page-locked batches; by default where CUDA is.

    Raises:
        UserError: If `images` is None.
    """

    name = "folder"
    fit_splits = ("all", "all")

    def __init__(
        self,
        images: str | Path | None,
        *,
        batch_size: int,
        num_workers: int | None = None,
        pin_memory: bool | None = None,
    ) -> None:
        if images is None:
            raise UserError("which pictures? Give image=photo.jpg, image=FOLDER, or a data set with data=NAME")
        super().__init__(
            images, batch_size=batch_size, num_workers=num_workers, eval_split="all", pin_memory=pin_memory
        )

    def read(self, split: str) -> SaliencyDataset:
        """Find the pictures; there is one split, ``all``.

        Raises:
            UserError: If another split is asked for.
        """
        if split != "all":
            raise UserError(f"pictures of one's own have no {split} split and no ground truth: choose data=NAME")
        return read_folder(self.root)

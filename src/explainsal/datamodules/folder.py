"""Data module for your own pictures; with ground truth they can be used for training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.folder import Chosen, read_folder
from explainsal.data.folder_parts import read_parts, select_part
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.options import DataOptions, check_sigma
from explainsal.errors import UserError


class FolderDataModule(SaliencyDataModule):
    """Data module of one picture, a folder of pictures, or a folder with ground truth; see `read_folder`.

    The parts are those of ``splits.json``, or the folds of a cross-validation, or one part with all images for testing.

    Args:
        root: A picture or a folder.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities of fixations; None for none.
        stimuli: Name of the HDF5 file of stimuli, if there are several.
        fixations: Name of the HDF5 file of fixations, if there are several.
        options: Options of `SaliencyDataModule`.

    Raises:
        UserError: If `root` is None.
    """

    name = "folder"

    def __init__(
        self,
        root: str | Path | None,
        *,
        density_sigma: float | None = None,
        stimuli: str | None = None,
        fixations: str | None = None,
        **options: Unpack[DataOptions],
    ) -> None:
        if root is None:
            raise UserError(
                "which pictures? Give image=photo.jpg, image=FOLDER, data.root=FOLDER, or a data set with data=NAME"
            )
        super().__init__(root, **options)
        check_sigma(density_sigma)
        self.density_sigma = density_sigma
        self.chosen = Chosen(stimuli, fixations)
        parts = tuple(read_parts(self.root))
        self.published = (*parts, self.whole)
        self.published_eval = next((part for part in ("test", "val") if part in parts), self.whole)

    def read(self, split: str) -> SaliencyDataset:
        """Find the pictures and their ground truth."""
        if split != self.whole:
            return select_part(self._all(), self.root, split, skip=self.reading.skip)
        return read_folder(self.root, density_sigma=self.density_sigma, reading=self.reading, chosen=self.chosen)

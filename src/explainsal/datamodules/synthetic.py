"""Data module of generated scenes, which needs no download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.synthetic import VERSION, SyntheticSettings, choose_folder, read_synthetic, write_synthetic
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.options import DataOptions


class SyntheticDataModule(SaliencyDataModule):
    """Generated scenes with known fixation densities, written at first use; see `write_synthetic`.

    Args:
        root: Folder for the files; scenes with other settings get their own subfolder.
        sizes: Number of images per split: train, val and test.
        image_size: Height and width in pixels.
        seed: Seed of the scenes and their fixations.
        options: Options of `SaliencyDataModule`; folds divide ``train``.

    Raises:
        ValueError: If a size is not positive, a split is unknown, or `sizes` is not a mapping.
    """

    name = "synthetic"
    whole = "train"

    def __init__(
        self,
        root: str | Path,
        *,
        sizes: Mapping[str, int],
        image_size: Sequence[int],
        seed: int,
        **options: Unpack[DataOptions],
    ) -> None:
        super().__init__(root, **options)
        if not isinstance(sizes, Mapping):
            raise ValueError(
                f"sizes={sizes} must give a number of images per split; in a shell, quote the whole word: "
                "'data.sizes={train:20,val:5,test:5}'"
            )
        height, width = (int(side) for side in image_size)
        self.settings = SyntheticSettings(seed=seed, size=(height, width), counts=dict(sizes))
        self.root = choose_folder(root, self.settings)
        self.release = f"v{VERSION}-seed{seed}"

    def prepare_data(self) -> None:
        """Write missing scenes, then index them."""
        write_synthetic(self.root, self.settings)
        super().prepare_data()

    def read(self, split: str) -> SaliencyDataset:
        """Index one split, after writing it if it is missing."""
        write_synthetic(self.root, self.settings)
        return read_synthetic(self.root, split, self.settings, reading=self.reading)

"""Generated scenes as a Lightning data module: nothing to download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.synthetic import VERSION, SyntheticSettings, choose_folder, read_synthetic, write_synthetic
from explainsal.datamodules.base import DataOptions, SaliencyDataModule


class SyntheticDataModule(SaliencyDataModule):
    """Scenes with a known answer to where people look; written at first use. See `write_synthetic`.

    Args:
        root: Folder that receives the files; scenes of other settings than are there get a folder of their own in it.
        sizes: Number of images per split: train, val and test.
        image_size: Height and width in pixels.
        seed: Of the scenes and their fixations.
        options: Of `SaliencyDataModule`; folds divide ``train``.

    Raises:
        ValueError: If a size is not positive, a split is unknown, or `sizes` is no mapping.
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
                f"sizes={sizes}: a number of images per split; in a shell the whole word stands in quotes, or it makes "
                "three of it: 'data.sizes={train:20,val:5,test:5}'"
            )
        height, width = (int(side) for side in image_size)
        self.settings = SyntheticSettings(seed=seed, size=(height, width), counts=dict(sizes))
        self.root = choose_folder(root, self.settings)
        self.release = f"v{VERSION}-seed{seed}"

    def prepare_data(self) -> None:
        """Write the scenes that are missing, then index them."""
        write_synthetic(self.root, self.settings)
        super().prepare_data()

    def read(self, split: str) -> SaliencyDataset:
        """Index one split, written before if need be."""
        write_synthetic(self.root, self.settings)
        return read_synthetic(self.root, split, self.settings, reading=self.reading)

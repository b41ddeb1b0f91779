"""Divide images into train, validation and test parts: k-fold cross-validation, and splits of published code.

Published splits are drawn from seeds over the images sorted by name, so they need the complete data set;
docs/decisions/0018 gives their sources.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explainsal.errors import UserError

Parts = dict[str, list[int]]  # train, val and sometimes test -> positions of the images
NamedSplit = Callable[[Sequence[str], int], Parts]  # ids, fold -> parts
SEED = 42


def cross_validation(ids: Sequence[str], fold: int, folds: int, groups: Sequence[str] | None = None) -> Parts:
    """Return one fold of a k-fold cross-validation, in which every image is tested in exactly one fold.

    The images, sorted by id, are shuffled with a fixed seed and dealt to the folds in turn. Fold `fold` is the test
    part, the previous fold the validation part, and the rest the training part.

    Args:
        ids: Id of each image; their order does not matter.
        fold: 0 to `folds` - 1.
        folds: At least 3, at most the number of images.
        groups: Group of each image, e.g. its category; folds are stratified by group.

    Raises:
        UserError: If a number is out of range.

    Example:
        >>> cross_validation(["a", "b", "c", "d", "e", "f", "g"], 0, 3)
        {'train': [1, 4], 'val': [3, 5], 'test': [0, 2, 6]}
    """
    if not 3 <= folds <= len(ids):
        raise UserError(f"data.folds={folds}: choose 3 (train, validation, test) to {len(ids)} (one image each)")
    _check_fold(fold, folds)
    shuffled = _by_group(ids, groups or [""] * len(ids))
    number = {index: place % folds for place, index in enumerate(shuffled)}
    before = (fold - 1) % folds
    return {
        "train": [i for i in range(len(ids)) if number[i] not in (fold, before)],
        "val": [i for i in range(len(ids)) if number[i] == before],
        "test": [i for i in range(len(ids)) if number[i] == fold],
    }


@dataclass(frozen=True)
class Division:
    """Division of the images of a data set by a named split or a cross-validation.

    Args:
        named: The named split; None for a cross-validation.
        split: Name of the named split.
        fold: Number of the fold, from 0; None for the only or first one of a named split.
        folds: Number of folds of a cross-validation.
        grouped: Whether folds are stratified by image folder.
    """

    named: NamedSplit | None
    split: str | None
    fold: int | None
    folds: int
    grouped: bool = False

    def divide(self, ids: Sequence[str]) -> Parts:
        """Return the parts of these images."""
        if self.named is not None:
            return self.named(ids, self.fold or 0)
        groups = [name.rpartition("/")[0] for name in ids] if self.grouped else None
        return cross_validation(ids, self.fold or 0, self.folds, groups)

    def label(self, part: str) -> str:
        """Return the label of a part for reported numbers."""
        fold = f" {self._fold}" if self._fold else ""
        return f"{self.split} {part}{fold}" if self.split else f"{part}{fold}"

    def describe(self) -> str:
        """Return the name of the split and the fold."""
        return ", ".join(filter(None, [self.split or "cross-validation", self._fold]))

    @property
    def _fold(self) -> str:
        return "" if self.fold is None else f"fold {self.fold}" + ("" if self.split else f" of {self.folds}")


def unisal(ids: Sequence[str], fold: int) -> Parts:
    """Return one of UNISAL's ten folds of MIT1003, without test part; its published numbers are for fold 0.

    Raises:
        UserError: If these are not the 1003 images, or there is no such fold.
    """
    order = _shuffled(sorted(range(_complete(ids, 1003)), key=lambda i: ids[i]), seed=27)
    _check_fold(fold, 10)
    first, last = int(1003 / 10 * fold), int(1003 / 10 * (fold + 1))
    return {"train": sorted(order[:first] + order[last:]), "val": sorted(order[first:last])}


def every_tenth(ids: Sequence[str], fold: int) -> Parts:
    """Split a large data set for slow methods: every tenth image by name is tested, those halfway between validate.

    Example:
        >>> parts = every_tenth([f"{i:02}" for i in range(21)], 0)
        >>> parts["test"], parts["val"], len(parts["train"])
        ([0, 10, 20], [5, 15], 16)
    """
    _check_fold(fold, 1)
    order = sorted(range(len(ids)), key=lambda i: ids[i])
    test, val = order[::10], order[5::10]
    return {"train": sorted({*order} - {*test} - {*val}), "val": sorted(val), "test": sorted(test)}


def held_out(ids: Sequence[str], fold: int) -> Parts:
    """Split MIT1003 into UNISAL's fold 0, which its published weights have not seen, for testing, fold 1, and the rest.

    Raises:
        UserError: If these are not the 1003 images, or `fold` is not 0.
    """
    _check_fold(fold, 1)
    test, val = unisal(ids, 0)["val"], unisal(ids, 1)["val"]
    return {"train": sorted({*range(len(ids))} - {*test} - {*val}), "val": val, "test": test}


def pysaliency(ids: Sequence[str], fold: int) -> Parts:
    """Return one of pysaliency's ten folds of MIT1003 (``crossval_split``): natural order, chunks of 101, last of 94.

    Raises:
        UserError: If these are not the 1003 images, or there is no such fold.
    """
    order = _shuffled(sorted(range(_complete(ids, 1003)), key=lambda i: natural_key(ids[i])), seed=SEED)
    _check_fold(fold, 10)
    chunks = [order[start : start + 101] for start in range(0, 1003, 101)]
    test, val = chunks[fold], chunks[fold - 1]
    return {"train": sorted({*order} - {*test} - {*val}), "val": sorted(val), "test": sorted(test)}


def msinet(images: int, validation: int) -> NamedSplit:
    """Return MSI-Net's split: the last `validation` of `images` shuffled images validate; it has no test part."""

    def split(ids: Sequence[str], fold: int) -> Parts:
        _check_fold(fold, 1)
        order = _shuffled(sorted(range(_complete(ids, images)), key=lambda i: ids[i]), seed=SEED)
        return {"train": sorted(order[:-validation]), "val": sorted(order[-validation:])}

    return split


def msinet_cat2000(ids: Sequence[str], fold: int) -> Parts:
    """Return MSI-Net's split of CAT2000: in each of the 20 categories the same 80 of 100 places train, 20 validate.

    Raises:
        UserError: If the images are not the 2000 training images of CAT2000, or `fold` is not 0.
    """
    _check_fold(fold, 1)
    in_order = sorted(range(_complete(ids, 2000)), key=lambda i: ids[i])
    places = _shuffled(list(range(100)), seed=SEED)
    train, val = (
        [in_order[100 * category + p] for category in range(20) for p in part] for part in (places[:80], places[80:])
    )
    return {"train": sorted(train), "val": sorted(val)}


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that orders numbers in names by value: ``i2`` before ``i10``.

    Example:
        >>> sorted(["i10", "i2", "a"], key=natural_key)
        ['a', 'i2', 'i10']
    """
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name) if p]


def _by_group(ids: Sequence[str], groups: Sequence[str]) -> list[int]:
    """Return positions of the images, shuffled within each group, group after group."""
    order: list[int] = []
    for group in sorted(set(groups)):
        order += _shuffled(sorted((i for i in range(len(ids)) if groups[i] == group), key=lambda i: ids[i]), seed=SEED)
    return order


def _shuffled(items: Sequence[int], *, seed: int) -> list[int]:
    """Shuffle items; NumPy guarantees the legacy generator's numbers across versions."""
    order = np.arange(len(items))
    np.random.RandomState(seed).shuffle(order)
    return [items[i] for i in order.tolist()]


def _check_fold(fold: int, folds: int) -> None:
    if not isinstance(fold, int) or not 0 <= fold < folds:
        known = f"the folds are numbered 0 to {folds - 1}" if folds > 1 else "this split has no folds"
        raise UserError(f"data.fold={fold}: {known}")


def _complete(ids: Sequence[str], published: int) -> int:
    if len(ids) != published:
        raise UserError(
            f"this split needs all {published} images, but {len(ids)} exist. Complete the data set, or use "
            "cross-validation: data.split=null data.fold=0 data.folds=10"
        )
    return published

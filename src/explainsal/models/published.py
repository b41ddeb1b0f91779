"""Weights that the authors of a network published: where they lie, what they may be used for, what they have seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from explainsal.errors import UserError
from explainsal.fetch.checksum import Checksum

CARD_SUFFIX = ".card.json"

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
    """One file of weights.

    Args:
        model: Name of the network here.
        variant: What the choice is called.
        file: Name on disk; for a zip archive the name of the archive.
        address: URL.
        page: Where the authors describe it.
        licence: Terms of use.
        trained_on: Data set -> what of it the weights have seen, in words.
        checksums: As published, of every version that is known.
        megabytes: Size as published, None where unknown.
        member: Which file of a zip archive holds the weights, a regular expression; "" where it is none.
    """

    model: str
    variant: str
    file: str
    address: str
    page: str
    licence: str
    trained_on: Mapping[str, str] = field(default_factory=dict)
    checksums: tuple[Checksum, ...] = ()
    megabytes: float | None = None
    member: str = ""


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
        member=r"(?:.*/)?(?P<path>model_\w+\.pb)",
    )


PUBLISHED = (
    PublishedWeights(
        model="unisal",
        variant="all",
        file="weights_best.pth",
        address=f"{_UNISAL}/training_runs/pretrained_unisal/weights_best.pth",
        page="https://github.com/rdroste/unisal",
        licence="Apache-2.0",
        trained_on=_UNISAL_SEEN,
        checksums=(Checksum("git", "f06b52c56405bbf11b40cf1b4307573aa4035bea"),),
    ),
    PublishedWeights(
        model="unisal",
        variant="mit1003",
        file="weights_ft_mit1003.pth",
        address=f"{_UNISAL}/training_runs/pretrained_unisal/weights_ft_mit1003.pth",
        page="https://github.com/rdroste/unisal",
        licence="Apache-2.0",
        trained_on={
            **_UNISAL_SEEN,
            "mit1003": "fine-tuned on 903 of its images, the checkpoint chosen on the other 100 "
            "(data.split=unisal data.fold=0)",
        },
        checksums=(Checksum("git", "2a14bf648bf090a771152bb0f9da2da311c1cbef"),),
    ),
    PublishedWeights(
        model="unisal",
        variant="encoder",
        file="mobilenet_v2.pth.tar",
        address=f"{_UNISAL}/unisal/models/weights/mobilenet_v2.pth.tar",
        page="https://github.com/rdroste/unisal",
        licence="Apache-2.0",
        trained_on={"imagenet": "the encoder alone, to begin a training with"},
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
        megabytes=99.9,
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
        variant="encoder",
        file="vgg16_hybrid.zip",
        address=_drive("1ff0va472Xs1bvidCwRlW3Ctf7Hbyyn7p"),
        page=_MSINET_CODE,
        licence="MIT",
        trained_on={"imagenet, places": "the encoder alone, to begin a training with"},
        member=r"(?:.*/)?(?P<path>vgg16_hybrid\.ckpt.*)",
    ),
)


def published_weights(model: str, variant: str | None = None) -> PublishedWeights:
    """The weights of a network by name; without a variant the first, most general ones.

    Raises:
        UserError: If there are none of that name.
    """
    of_model = {weights.variant: weights for weights in PUBLISHED if weights.model == model}
    if not of_model:
        known = ", ".join(dict.fromkeys(weights.model for weights in PUBLISHED))
        raise UserError(f"no weights of {model!r} were published: choose model=NAME of {known}")
    if variant is not None and variant not in of_model:
        raise UserError(f"{model} has no published weights {variant!r}: choose weights=NAME of {', '.join(of_model)}")
    return of_model[variant] if variant else next(iter(of_model.values()))


def write_card(path: Path, weights: PublishedWeights, source: Path | None = None) -> dict[str, Any]:
    """Write beside a weight file what it is: ``<file>.card.json``.

    Args:
        path: The weight file.
        weights: As which it was published.
        source: The file that was downloaded, where it is another one (a zip archive).

    Returns:
        The card.
    """
    known = [checksum for checksum in weights.checksums if checksum.of(source or path) == checksum]
    card = {
        "model": weights.model,
        "variant": weights.variant,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": Checksum("sha256", "0" * 64).of(path).value,
        "published_checksum": str(known[0]) if known else ("differs" if weights.checksums else "none is known"),
        "address": weights.address,
        "page": weights.page,
        "licence": weights.licence,
        "trained_on": dict(weights.trained_on),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    temporary = path.with_name(f".{path.name}{CARD_SUFFIX}")
    temporary.write_text(json.dumps(card, indent=1))
    temporary.replace(card_path(path))
    return card


def card_path(path: Path) -> Path:
    """Where the card of a weight file lies."""
    return path.with_name(f"{path.name}{CARD_SUFFIX}")


def trained_on(path: str | Path) -> dict[str, str]:
    """Data set -> what of it a weight file has seen: by its card, or without one by its published name.

    Returns:
        Nothing for a file that no one knows, e.g. a checkpoint of one's own.
    """
    path = Path(path)
    try:
        card = json.loads(card_path(path).read_text())
        return {str(key): str(value) for key, value in card["trained_on"].items()}
    except (OSError, ValueError, KeyError, AttributeError):
        known = [weights for weights in PUBLISHED if _is_named(weights, path.name)]
        return dict(known[0].trained_on) if known else {}


def seen_warning(path: str | Path | None, data: str, split: str | None = None) -> str | None:
    """What to tell whoever evaluates weights on a data set of which they have seen something; None where they have not.

    Args:
        path: The weight file, None for an untrained network.
        data: Name of the data set, as in ``data=NAME``.
        split: Which part of it; one that the card names among ``unseen_splits`` is a fair test, and is called so.

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
    return f"{begin} Scores on those images are no test; say so beside them."


def unseen_splits(path: str | Path) -> dict[str, list[str]]:
    """Data set -> splits of it that weights have not seen though they were trained on others, by their card."""
    try:
        card = json.loads(card_path(Path(path)).read_text())
        return {str(data): [str(split) for split in splits] for data, splits in card["unseen_splits"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _is_named(weights: PublishedWeights, name: str) -> bool:
    if not weights.member:
        return name == weights.file
    return name in (weights.file, f"model_{weights.variant}_cpu.pb", f"model_{weights.variant}_gpu.pb")

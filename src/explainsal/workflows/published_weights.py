"""Fetch, check and describe published weights: ``python -m explainsal.prepare model=...``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from explainsal.fetch.disk import human
from explainsal.models.published import PublishedWeights, card_path, describe_weights, published_weights
from explainsal.models.weight_sources import WORD, obtain_weights, weight_folders


def prepare_weights(
    model: str,
    weights: str | None,
    folder: Path,
    *,
    mirror: str | None = None,
    verify: bool = True,
    fetch: bool = True,
) -> Path:
    """Find published weights, or fetch them into a folder, write their card beside them, and print it.

    Args:
        weights: ``published``, ``published:VARIANT`` or the variant alone; None for the first, most general ones.
        folder: Folder of all weights, with one subfolder per network. Without a mirror, the user's
            cache is searched as well.
        mirror: URL of a folder with the same file, used instead of its own sources.
        verify: Whether the file must have its published checksum.
        fetch: Whether to fetch a missing file.

    Returns:
        The weight file.

    Raises:
        UserError: If such weights do not exist or cannot be fetched, or the disk is full.
        CorruptFileError: If the file is not the published one.
    """
    chosen = published_weights(model, (weights or "").removeprefix(WORD).removeprefix(":") or None)
    folders = [folder] if mirror else [folder, *weight_folders(folder)]
    path = obtain_weights(chosen, folders, mirror=mirror, verify=verify, fetch=fetch)
    print_card(path, chosen)
    return path


def print_card(path: Path, weights: PublishedWeights) -> None:
    """Print a description of the weights and how to use them."""
    card = describe_weights(path, weights)
    table = Table(title=f"{weights.model}, {weights.variant}", title_justify="left", show_header=False, min_width=60)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "licence": weights.licence,
        "from": "\n".join(filter(None, [weights.page, weights.address, card["wheel"]])),
        "trained on": "\n".join(f"{name}: {what}" for name, what in weights.trained_on.items()),
        "size": human(card["bytes"]),
        "checksum": card["published_checksum"],
        "SHA-256": card["sha256"],
        "file": str(path),
        "card": card_path(path).name,
        "use": f"model={weights.model} {'model.encoder' if weights.encoder else 'weights'}={WORD}:{weights.variant}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)

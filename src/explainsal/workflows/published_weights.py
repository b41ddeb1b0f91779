"""Fetch, check and show published weights: ``python -m explainsal.prepare model=...``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from explainsal.fetch.disk import human
from explainsal.models.published import PublishedWeights, card_path, describe_weights, published_weights
from explainsal.models.weight_sources import WORD, obtain_weights


def prepare_weights(
    model: str,
    weights: str | None,
    folder: Path,
    *,
    mirror: str | None = None,
    verify: bool = True,
    fetch: bool = True,
) -> Path:
    """Bring published weights into a folder, with their card, and show it.

    Args:
        model: Name of the network.
        weights: ``published``, ``published:VARIANT`` or the variant alone; None for the first, most general ones.
        folder: Where weights lie, each network's in a folder of its own.
        mirror: Address of a folder that holds the file, in place of its own sources.
        verify: Whether the checksum must be the published one.
        fetch: Whether to fetch what is not there.

    Returns:
        The weight file.

    Raises:
        UserError: If there are no such weights, they cannot be fetched, or the disk is full.
        CorruptFileError: If what is there is not the published file.
    """
    chosen = published_weights(model, (weights or "").removeprefix(WORD).removeprefix(":") or None)
    path = obtain_weights(chosen, [folder], mirror=mirror, verify=verify, fetch=fetch)
    print_card(path, chosen)
    return path


def print_card(path: Path, weights: PublishedWeights) -> None:
    """Show what the weights are, and how to use them."""
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

"""Accept ``GROUP=null`` on the command line, which Hydra itself only accepts in YAML files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_OPTIONAL = ("callbacks", "logger", "bank", "data/augmentation", "module/scheduler")


def drop_null_groups(arguments: Sequence[str], config: Path) -> list[str]:
    """Replace ``GROUP=null`` by ``~GROUP`` for the groups that a command can run without.

    Args:
        config: The command's configuration file; the groups that are null there can be null as well.
    """
    optional = (*_OPTIONAL, *re.findall(r"^  - (\w+): null\b", config.read_text(), flags=re.MULTILINE))
    dropped = {f"{group}=null": f"~{group}" for group in optional}
    return [dropped.get(argument, argument) for argument in arguments]

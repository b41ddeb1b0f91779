"""Accept ``GROUP=null`` on the command line, which Hydra itself only accepts in YAML files."""

from __future__ import annotations

from collections.abc import Sequence

_OPTIONAL = ("callbacks", "logger", "explainer", "bank", "data/augmentation", "module/scheduler")


def drop_null_groups(arguments: Sequence[str]) -> list[str]:
    """Replace ``GROUP=null`` by ``~GROUP`` for the groups that a command can run without.

    Example:
        >>> drop_null_groups(["logger=null", "callbacks.progress=null", "data=osie"])
        ['~logger', 'callbacks.progress=null', 'data=osie']
    """
    dropped = {f"{group}=null": f"~{group}" for group in _OPTIONAL}
    return [dropped.get(argument, argument) for argument in arguments]

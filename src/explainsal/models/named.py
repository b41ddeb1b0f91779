"""Sequential modules whose members have the names of published weights."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def named(**modules: nn.Module) -> nn.Sequential:
    """Build a sequence of named modules.

    Example:
        >>> list(named(first=nn.ReLU(), second=nn.Tanh()).state_dict()), named(only=nn.ReLU()).only
        ([], ReLU())
    """
    return nn.Sequential(OrderedDict(modules))

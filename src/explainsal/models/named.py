"""A chain of modules whose members have the names that published weights give them."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def named(**modules: nn.Module) -> nn.Sequential:
    """Modules to run one after the other, by name.

    Example:
        >>> list(named(first=nn.ReLU(), second=nn.Tanh()).state_dict()), named(only=nn.ReLU()).only
        ([], ReLU())
    """
    return nn.Sequential(OrderedDict(modules))

"""Conversion of Hydra's sweep syntax to Optuna: choice, range, interval and tag(log, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override

from explainsal.errors import UserError


def search_space(overrides: Sequence[Override]) -> tuple[dict[str, Any], list[str]]:
    """Return Optuna's distribution of every swept parameter, and the other overrides unchanged.

    A later override replaces an earlier one of the same parameter: the command line those of a file.

    Raises:
        UserError: If no parameter is swept.
    """
    space: dict[str, Any] = {}
    fixed: dict[str, str] = {}
    for override in overrides:
        name = override.get_key_element()
        space.pop(name, None)
        fixed.pop(name, None)
        if override.is_sweep_override():
            space[name] = distribution(override)
        else:
            fixed[name] = f"{name}={override.get_value_element_as_str()}"
    if not space:
        raise UserError("nothing to search: give a range, e.g. 'explainer.pool_size=range(5,21)'")
    return space, list(fixed.values())


def distribution(override: Override) -> Any:
    """Return the distribution of a parameter; in Hydra an interval is of real numbers, and a range excludes its end."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if override.is_interval_sweep():
        interval = override.value()
        assert isinstance(interval, IntervalSweep)
        low, high, log = interval.start, interval.end, "log" in interval.tags
        assert low is not None
        assert high is not None
        return FloatDistribution(low, high, log=log)
    whole = (
        [value for value in override.sweep_iterator() if isinstance(value, int)] if override.is_range_sweep() else []
    )
    if len(whole) > 1:
        return IntDistribution(min(whole), max(whole), step=abs(whole[1] - whole[0]))
    return CategoricalDistribution(list(override.sweep_string_iterator()))

"""The runs used by the report tests."""

from tests.reporting.conftest import own_run, small_run

__all__ = ["own_run", "small_run"]

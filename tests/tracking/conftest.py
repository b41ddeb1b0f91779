"""Runs to log are those that the tests of reports read."""

from tests.reporting.conftest import own_run, small_run

__all__ = ["own_run", "small_run"]

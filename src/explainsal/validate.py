"""Is a submission as the benchmark wants it? ``python -m explainsal.validate predictions=FILE data=mit300``."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import command
from explainsal.workflows.submissions import validate


@command("validate")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    validate(cfg)


if __name__ == "__main__":
    main()

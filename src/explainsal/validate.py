"""Is a submission as the benchmark wants it? ``python -m explainsal.validate predictions=FILE data=mit300``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from explainsal.reporting.submissions.check import Verdict


def validate(cfg: DictConfig) -> Verdict:
    """Check ``cfg.predictions`` offline as the evaluator of ``cfg.submission`` would."""
    from explainsal.app.build import build_datamodule
    from explainsal.app.options import build_submission
    from explainsal.errors import UserError
    from explainsal.workflows.submissions import check_submission_file

    submission = build_submission(cfg)
    if cfg.predictions is None or submission is None:
        raise UserError("which maps? Give predictions=FILE or FOLDER, data=mit300, and submission=tuebingen or salicon")
    path = Path(cfg.predictions)
    return check_submission_file(path, submission.form, build_datamodule(cfg), partial=submission.partial)


@command("validate")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    validate(cfg)


if __name__ == "__main__":
    main()

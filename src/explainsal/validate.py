"""Check a submission as the benchmark would: ``python -m explainsal.validate predictions=FILE data=mit300``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from explainsal.reporting.submissions.check import Verdict


EXAMPLES = (
    "predictions=maps.hdf5 data=mit300",
    "predictions=maps.zip data=salicon submission=salicon",
    "predictions=FOLDER data=mit300 submission.kind=map",
    "predictions=maps.hdf5 image=PICTURES",
    "predictions=maps.hdf5 data=mit300 submission.partial=true",
)


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


@command("validate", examples=EXAMPLES)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    validate(cfg)


if __name__ == "__main__":
    main()

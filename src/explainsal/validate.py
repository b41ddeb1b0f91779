"""Is a submission as the benchmark wants it? ``python -m explainsal.validate predictions=FILE data=mit300``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.progress import track

from explainsal.cli import command
from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import CorruptFileError, UserError
from explainsal.reporting.submissions.check import Verdict, check_submission
from explainsal.reporting.submissions.form import Submission


def validate(cfg: DictConfig) -> Verdict:
    """Check ``cfg.predictions`` offline as the evaluator of ``cfg.submission`` would.

    Raises:
        CorruptFileError: If it would be refused or spoilt; the message says why.
    """
    form = form_of(cfg)
    if cfg.predictions is None or form is None:
        raise UserError("which maps? Give predictions=FILE or FOLDER, data=mit300, and submission=tuebingen or salicon")
    return validate_file(Path(cfg.predictions), form, submitted_images(cfg, instantiate(cfg.data)))


def validate_file(path: Path, form: Submission, dataset: SaliencyDataset) -> Verdict:
    """Check the maps of a data set and print what there is to know.

    Raises:
        CorruptFileError: If they would be refused or spoilt; the message says why.
    """
    follow = partial(track, description=f"checking {path.name}")
    verdict = check_submission(path, form, dataset.ids, dataset.files, dataset.sizes, follow)
    print(f"{path}: {verdict.maps} maps for {verdict.total} images of {dataset.name}")
    for note in verdict.notes:
        print(f"note: {note}")
    if not verdict.accepted:
        lines = [f"the {form.rules.title} would not take {path}:", *verdict.errors]
        raise CorruptFileError("\n  ".join(lines))
    print(f"as the {form.rules.title} wants it")
    return verdict


def submitted_images(cfg: DictConfig, datamodule: SaliencyDataModule) -> SaliencyDataset:
    """The images of a submission: those whose fixations are secret, unless ``data.eval_split`` names others."""
    secret = None if cfg.data.get("eval_split") else datamodule.secret
    return datamodule.dataset(secret or datamodule.eval_split)


def form_of(cfg: DictConfig) -> Submission | None:
    """What ``cfg.submission`` asks for, if anything.

    Raises:
        UserError: If the benchmark does not take its options together.
    """
    options = cfg.get("submission")
    if options is None:
        return None
    try:
        return Submission(options.benchmark, options.kind, options.file, bool(options.zip))
    except ValueError as error:
        raise UserError(f"submission: {error}") from None


@command("validate")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    validate(cfg)


if __name__ == "__main__":
    main()

"""Is a submission as the benchmark wants it? ``python -m explainsal.validate predictions=FILE data=mit300``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.progress import track

from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.reporting.submissions.check import Verdict, check_submission
from explainsal.reporting.submissions.form import Submission


def validate(cfg: DictConfig) -> Verdict:
    """Check ``cfg.predictions`` offline as the evaluator of ``cfg.submission`` would.

    Raises:
        CorruptFileError: If it would be refused or spoilt; the message says why.
        MissingFilesError: If images are missing on disk, so that no one can tell.
    """
    form = form_of(cfg)
    if cfg.predictions is None or form is None:
        raise UserError("which maps? Give predictions=FILE or FOLDER, data=mit300, and submission=tuebingen or salicon")
    datamodule = instantiate(cfg.data)
    dataset = submitted_images(cfg, datamodule)
    require_all_images(cfg, datamodule, dataset)
    return validate_file(Path(cfg.predictions), form, dataset)


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


def require_all_images(cfg: DictConfig, datamodule: SaliencyDataModule, dataset: SaliencyDataset) -> None:
    """A submission of a part of the published images would pass every other check, and be refused.

    Raises:
        MissingFilesError: If fewer images are on disk than were published, unless ``submission.partial`` is set.
    """
    source = datamodule.source
    published = source.images.get(dataset.split) if source else None
    if source is None or published is None or len(dataset) >= published or cfg.submission.partial:
        return
    raise MissingFilesError(
        f"{len(dataset):,} of the {published:,} {dataset.split} images of {dataset.name} are in {datamodule.root}, "
        f"{published - len(dataset):,} are missing: a submission needs the maps of all. Fetch them (python -m "
        f"explainsal.prepare {source.overrides}), or set submission.partial=true to do without them."
    )


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

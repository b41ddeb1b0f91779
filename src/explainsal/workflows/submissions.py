"""Submissions to benchmarks: which images they need, and whether maps would be accepted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.progress import track

from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.reporting.submissions.check import Verdict, check_submission
from explainsal.reporting.submissions.form import Submission


@dataclass(frozen=True)
class SubmissionOptions:
    """The submission that a prediction makes.

    Args:
        form: Benchmark, kind of values and file type.
        to: File or folder; None: ``submissions/<data>/<model>-<kind>`` in the outputs folder.
        density: How densities are made of maps: ``"sum"`` (each divided by its sum), or None: not at all.
        uniform: Share of the uniform density that is mixed in then.
        partial: Whether images of the benchmark may be missing.
    """

    form: Submission
    to: Path | None = None
    density: str | None = None
    uniform: float = 0.01
    partial: bool = False


def check_submission_file(
    maps: str | Path | None, submission: SubmissionOptions | None, datamodule: SaliencyDataModule
) -> Verdict:
    """Check maps offline as the benchmark's evaluator would.

    Args:
        maps: An HDF5 file, an archive, or a folder of maps.
        submission: The form that they should have, and whether images of the benchmark may be missing on disk.
        datamodule: The images.

    Raises:
        UserError: If there are no maps, or no submission says which form they should have.
        CorruptFileError: If the maps would be refused or scored wrongly; the message says why.
        MissingFilesError: If images are missing on disk, so that no one can tell.
    """
    if maps is None or submission is None:
        raise UserError("which maps? Give predictions=FILE or FOLDER, data=mit300, and submission=tuebingen or salicon")
    dataset = choose_submitted(datamodule)
    require_all_images(datamodule, dataset, partial=submission.partial)
    return check_maps(Path(maps), submission.form, dataset)


def check_maps(path: Path, form: Submission, dataset: SaliencyDataset) -> Verdict:
    """Check the maps of a data set offline as the benchmark's evaluator would, and print the result.

    Raises:
        CorruptFileError: If they would be refused or scored wrongly; the message says why.
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


def choose_submitted(datamodule: SaliencyDataModule) -> SaliencyDataset:
    """Return the images of a submission: the part without ground truth, unless the test split was chosen."""
    secret = None if datamodule.chooses_eval_split else datamodule.secret
    return datamodule.dataset(secret or datamodule.eval_split)


def require_all_images(datamodule: SaliencyDataModule, dataset: SaliencyDataset, *, partial: bool = False) -> None:
    """Refuse a submission of a part of the published images, which would pass every other check.

    Raises:
        MissingFilesError: If fewer images are on disk than were published, unless `partial` is set.
    """
    source = datamodule.source
    published = source.images.get(dataset.split) if source else None
    if source is None or published is None or len(dataset) >= published or partial:
        return
    raise MissingFilesError(
        f"{len(dataset):,} of the {published:,} {dataset.split} images of {dataset.name} are in {datamodule.root}, "
        f"{published - len(dataset):,} are missing: a submission needs the maps of all. Fetch them (python -m "
        f"explainsal.prepare {source.overrides}), or set submission.partial=true to do without them."
    )

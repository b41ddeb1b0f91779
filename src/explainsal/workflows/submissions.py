"""Select the images of a submission to a benchmark, and check its maps."""

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
    """Options of a submission.

    Args:
        form: Benchmark, kind of values and file type.
        to: File or folder; None: ``submissions/<data>/<model>-<kind>`` in the outputs folder.
        density: Conversion of maps to densities: ``"sum"`` divides each map by its sum; None: no conversion.
        uniform: Share of the uniform density mixed into converted maps.
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
        submission: The required form, and whether images of the benchmark may be missing on disk.

    Raises:
        UserError: If `maps` or `submission` is None.
        CorruptFileError: If the maps would be refused or scored wrongly; the message says why.
        MissingFilesError: If images are missing on disk, so that the maps cannot be checked.
    """
    if maps is None or submission is None:
        raise UserError("which maps? Give predictions=FILE or FOLDER, data=mit300, and submission=tuebingen or salicon")
    dataset = choose_submitted(datamodule)
    require_all_images(datamodule, dataset, partial=submission.partial)
    return check_maps(Path(maps), submission.form, dataset)


def check_maps(path: Path, form: Submission, dataset: SaliencyDataset) -> Verdict:
    """Check the maps of a data set offline as the benchmark's evaluator would, and print the result.

    Raises:
        CorruptFileError: If the maps would be refused or scored wrongly; the message says why.
    """
    follow = partial(track, description=f"checking {path.name}")
    verdict = check_submission(path, form, dataset.ids, dataset.files, dataset.sizes, follow)
    print(f"{path}: {verdict.maps} maps for {verdict.total} images of {dataset.name}")
    for note in verdict.notes:
        print(f"note: {note}")
    if not verdict.accepted:
        lines = [f"the {form.rules.title} would not accept {path}:", *verdict.errors]
        raise CorruptFileError("\n  ".join(lines))
    print(f"accepted by the rules of the {form.rules.title}")
    return verdict


def choose_submitted(datamodule: SaliencyDataModule) -> SaliencyDataset:
    """Return the images of a submission: the part without ground truth, unless `eval_split` is given."""
    secret = None if datamodule.chooses_eval_split else datamodule.secret
    return datamodule.dataset(secret or datamodule.eval_split)


def require_all_images(datamodule: SaliencyDataModule, dataset: SaliencyDataset, *, partial: bool = False) -> None:
    """Raise if images of a benchmark are missing, which the other checks do not notice.

    Raises:
        MissingFilesError: If fewer images are on disk than were published, unless `partial` is set.
    """
    source = datamodule.source
    published = source.images.get(dataset.split) if source else None
    if source is None or published is None or len(dataset) >= published or partial:
        return
    raise MissingFilesError(
        f"{len(dataset):,} of the {published:,} {dataset.split} images of {dataset.name} are in {datamodule.root}, "
        f"{published - len(dataset):,} are missing; a submission needs the maps of all images. Fetch them (python -m "
        f"explainsal.prepare {source.overrides}), or set submission.partial=true to submit without them."
    )

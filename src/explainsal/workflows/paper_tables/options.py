"""Options of a table of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from explainsal.explanation.presets import DEFAULT_PRESET
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.submissions import SubmissionOptions


@dataclass(frozen=True)
class TableOptions:
    """Rows of one of the paper's tables, and options for scoring them.

    Args:
        name: ``"table1"``, ``"table2"`` or ``"table3"``.
        weights: Weights of each network: a file, a checkpoint, ``published[:variant]``, or the name of a network.
        weights_folder: Folder of published weights.
        preset: Preset of the explainable models.
        nulls: Null models of each explained network.
        null_images: Number of images for null models, from the first; None: all.
        baselines: Further rows that the paper does not have.
        rows: Only these rows; None: all.
        explain_batch_size: Number of images explained together.
        submission: Options for submitting rows if the fixations are not public.
    """

    name: str
    weights: Mapping[str, str]
    weights_folder: Path
    preset: str = DEFAULT_PRESET
    nulls: Sequence[str] = ("shuffled_filters", "untrained_network")
    null_images: int | None = 30
    baselines: Sequence[str] = ("gold_standard", "center_bias", "center_bias_loo", "chance")
    rows: Sequence[str] | None = None
    explain_batch_size: int = 4
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    submission: SubmissionOptions | None = None

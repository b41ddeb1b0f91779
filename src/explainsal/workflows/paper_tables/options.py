"""Options of a table of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.submissions import SubmissionOptions


@dataclass(frozen=True)
class TableOptions:
    """The rows of one of the paper's tables, and how they are scored.

    Args:
        name: ``"table1"``, ``"table2"`` or ``"table3"``.
        weights: Weights of each network: a file, a checkpoint, ``published[:variant]``, or the name of a network.
        weights_folder: The folder of published weights.
        preset: Of the explainable models.
        nulls: Null models of each explained network.
        null_images: Null models are explained on the first so many images; None: all.
        baselines: Rows that are not in the paper.
        rows: Only these rows; None: all.
        explain_batch_size: Images explained at a time.
        evaluation: How rows are scored.
        submission: How rows are submitted where the fixations are secret.
    """

    name: str
    weights: Mapping[str, str]
    weights_folder: Path
    preset: str = "sparse"
    nulls: Sequence[str] = ("shuffled_filters", "untrained_network")
    null_images: int | None = 30
    baselines: Sequence[str] = ("gold_standard", "center_bias", "center_bias_loo", "chance")
    rows: Sequence[str] | None = None
    explain_batch_size: int = 4
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    submission: SubmissionOptions | None = None

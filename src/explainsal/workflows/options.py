"""Options that several workflows share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from explainsal.classical import MODELS
from explainsal.classical.gold_standard import GOLD_STANDARD
from explainsal.errors import UserError
from explainsal.metrics.profiles import METRICS, PROFILES
from explainsal.workflows.devices import choose_device
from explainsal.workflows.null_models import check_nulls
from explainsal.workflows.postprocessing import PostprocessingOptions

if TYPE_CHECKING:
    from lightning import Trainer

LEARNED = ("center_bias", "center_bias_loo", GOLD_STANDARD)  # baselines that are learned from fixations


@dataclass(frozen=True)
class EvaluationOptions:
    """Options for scoring and explaining a model.

    Args:
        profile: Name of the metric profile.
        profiles: Further profiles that score the same maps.
        extra_metrics: Metrics in addition to those of the profile.
        baselines: Names of baselines in the table.
        explain_images: Number of images to explain, from the first; None: all.
        gallery: Number of images in the report.
        nulls: Null models of every explanation.
        postprocessing: Steps applied to the model's maps before they are scored.
        seed: Seed of bootstrap intervals and null models.
        make_trainer: Builds the Lightning trainer of the test loop from keyword arguments; None: one on one device.
        device: Device of explanations outside a Lightning loop.

    Raises:
        UserError: If a null model, profile, metric or baseline is unknown.
    """

    profile: str = "tuebingen"
    profiles: Sequence[str] = ()
    extra_metrics: Sequence[str] = ()
    baselines: Sequence[str] = ("center_bias", "chance")
    explain_images: int | None = None
    gallery: int = 6
    nulls: Sequence[str] = ()
    postprocessing: PostprocessingOptions = field(default_factory=PostprocessingOptions)
    seed: int = 0
    make_trainer: Callable[..., Trainer] | None = None
    device: torch.device = field(default_factory=choose_device)

    def __post_init__(self) -> None:
        check_nulls(self.nulls)
        known = {"profiles": tuple(PROFILES), "extra_metrics": METRICS, "baselines": (*LEARNED, *MODELS)}
        for name, choices in known.items():
            if unknown := [given for given in getattr(self, name) if given not in choices]:
                raise UserError(f"evaluation.{name}: no {', '.join(unknown)}; choose among {', '.join(choices)}")

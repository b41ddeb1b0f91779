"""The calls of ../shared/fixtures/metrics, and what each of them is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explainsal.functional import metrics
from explainsal.types import DensityMap, FixationBatch, FixationMap

MATLAB_EPS = 2.0**-52
TINY = 1e-20


@dataclass(frozen=True)
class Case:
    """One image: what a call may need. Draws are (N, splits) flat pixels."""

    pred: Tensor
    gt_map: Tensor
    baseline: Tensor
    fixations: FixationBatch
    others: FixationMap | None = None  # all fixations of all other images
    equal: FixationMap | None = None  # as many non-fixations as unique fixations
    shuffled_draws: Tensor | None = None
    borji_draws: Tensor | None = None

    @property
    def density(self) -> DensityMap:
        return DensityMap(self.gt_map)

    @property
    def jittered(self) -> Tensor:
        """What pysaliency's AUC_Judd adds: ``RandomState(42).randn * 1e-7``, one image per call."""
        noise = np.random.RandomState(42).randn(*self.pred.shape[1:]) * 1e-7
        return self.pred.double() + torch.from_numpy(noise)


Call = Callable[[Case], Tensor]
OCTAVE: dict[str, Call] = {
    "SIM": lambda c: metrics.sim(c.pred, c.density, normalization="minmax"),
    "CC": lambda c: metrics.cc(c.pred, c.density, nan_for_constant=True),
    "KLD": lambda c: metrics.kl_div(c.pred, c.density, normalization="raw", eps=MATLAB_EPS),
    "NSS": lambda c: metrics.nss(c.pred, c.fixations, unique=True, ddof=1, nan_for_constant=True),
    "IG": lambda c: metrics.information_gain(
        c.pred, c.fixations, c.baseline, normalization="minmax", eps=MATLAB_EPS, unique=True
    ),
    "AUC_Judd_nojitter": lambda c: metrics.auc_judd(c.pred, c.fixations, ties="pessimistic", nan_for_constant=True),
    "AUC_Judd_jitter": lambda c: metrics.auc_judd(c.pred, c.fixations, half_for_constant=False),
    "AUC_Borji_default": lambda c: metrics.auc_borji(c.pred, c.fixations),
    "AUC_Borji_splits_step0.1": lambda c: metrics.auc_borji(c.pred, c.fixations, step=0.1, draws=c.borji_draws),
    "AUC_Borji_splits_step0.01": lambda c: metrics.auc_borji(c.pred, c.fixations, step=0.01, draws=c.borji_draws),
}
for _step in (0.1, 0.01):
    OCTAVE[f"AUC_shuffled_equal_step{_step}"] = lambda c, step=_step: metrics.sampled_shuffled_auc(
        c.pred, c.fixations, c.equal, splits=None, step=step
    )
    OCTAVE[f"AUC_shuffled_splits_step{_step}"] = lambda c, step=_step: metrics.sampled_shuffled_auc(
        c.pred, c.fixations, c.others, step=step, draws=c.shuffled_draws
    )
OCTAVE["AUC_shuffled_nonfix_step0.1"] = OCTAVE["AUC_shuffled_equal_step0.1"]

PYSALIENCY: dict[str, Call] = {
    "SIM": lambda c: metrics.sim(c.pred, c.density),
    "CC": lambda c: metrics.cc(c.pred, c.density),
    "KLD_MIT": lambda c: metrics.kl_div(c.pred, c.density),
    "KLD_default": lambda c: metrics.kl_div(c.pred, c.density, eps=0, offset=TINY),
}
for _name, _unique in (("all", False), ("unique", True)):
    PYSALIENCY |= {
        f"NSS_{_name}": lambda c, u=_unique: metrics.nss(c.pred, c.fixations, unique=u),
        f"AUC_uniform_{_name}": lambda c, u=_unique: metrics.auc(c.pred, c.fixations, unique=u),
        f"AUC_unfixated_{_name}": lambda c, u=_unique: metrics.auc(
            c.pred, c.fixations, nonfixations="unfixated", unique=u
        ),
        f"AUC_Judd_nojitter_{_name}": lambda c, u=_unique: metrics.auc_judd(
            c.pred, c.fixations, ties="diagonal", unique=u
        ),
        f"AUC_Judd_jitter_{_name}": lambda c, u=_unique: metrics.auc_judd(
            c.jittered, c.fixations, ties="diagonal", unique=u
        ),
        f"AUC_given_nonfixations_{_name}": lambda c, u=_unique: metrics.shuffled_auc(
            c.pred, c.fixations, c.equal, unique=u
        ),
        f"sAUC_shuffled_{_name}": lambda c, u=_unique: metrics.shuffled_auc(c.pred, c.fixations, c.others, unique=u),
    }
    for _minimum, _offset in (("0", 0.0), ("1e-20", TINY)):
        PYSALIENCY |= {
            f"IG_baseline_min{_minimum}_{_name}": lambda c, u=_unique, o=_offset: metrics.information_gain(
                c.pred, c.fixations, c.baseline, offset=o, unique=u
            ),
            f"IG_uniform_min{_minimum}_{_name}": lambda c, u=_unique, o=_offset: metrics.information_gain(
                c.pred, c.fixations, offset=o, unique=u
            ),
        }

CALLS = {f"octave/{k}": v for k, v in OCTAVE.items()} | {f"pysaliency/{k}": v for k, v in PYSALIENCY.items()}

"""Saliency metrics as torchmetrics classes. They only keep state; `functional.metrics` computes the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.lazy import import_lazily

if TYPE_CHECKING:
    from explainsal.metrics.bootstrap import Interval as Interval
    from explainsal.metrics.bootstrap import mean_interval as mean_interval
    from explainsal.metrics.bootstrap import paired_difference as paired_difference
    from explainsal.metrics.collection import SaliencyMetrics as SaliencyMetrics
    from explainsal.metrics.profiles import HIGHER_IS_BETTER as HIGHER_IS_BETTER
    from explainsal.metrics.profiles import METRICS as METRICS
    from explainsal.metrics.profiles import PROFILES as PROFILES
    from explainsal.metrics.profiles import Profile as Profile
    from explainsal.metrics.profiles import get_profile as get_profile
    from explainsal.metrics.single import AUC as AUC
    from explainsal.metrics.single import CC as CC
    from explainsal.metrics.single import EMD as EMD
    from explainsal.metrics.single import NSS as NSS
    from explainsal.metrics.single import SIM as SIM
    from explainsal.metrics.single import AUCBorji as AUCBorji
    from explainsal.metrics.single import AUCJudd as AUCJudd
    from explainsal.metrics.single import InformationGain as InformationGain
    from explainsal.metrics.single import KLDiv as KLDiv
    from explainsal.metrics.single import LogLikelihood as LogLikelihood
    from explainsal.metrics.single import ShuffledAUC as ShuffledAUC

__getattr__, __dir__ = import_lazily(__name__)

"""Saliency metrics as torchmetrics classes. They only keep state; `functional.metrics` computes the values."""

from explainsal.metrics.bootstrap import Interval, mean_interval, paired_difference
from explainsal.metrics.collection import SaliencyMetrics
from explainsal.metrics.profiles import METRICS, PROFILES, Profile, get_profile
from explainsal.metrics.single import (
    AUC,
    CC,
    EMD,
    HIGHER_IS_BETTER,
    NSS,
    SIM,
    AUCBorji,
    AUCJudd,
    InformationGain,
    KLDiv,
    LogLikelihood,
    ShuffledAUC,
)

__all__ = [
    "AUC",
    "CC",
    "EMD",
    "HIGHER_IS_BETTER",
    "METRICS",
    "NSS",
    "PROFILES",
    "SIM",
    "AUCBorji",
    "AUCJudd",
    "InformationGain",
    "Interval",
    "KLDiv",
    "LogLikelihood",
    "Profile",
    "SaliencyMetrics",
    "ShuffledAUC",
    "get_profile",
    "mean_interval",
    "paired_difference",
]

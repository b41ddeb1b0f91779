"""Saliency metrics as functions from maps ``(B, H, W)`` and ground truth to one float64 value per image.

Defaults are the conventions of pysaliency and the MIT/Tuebingen benchmark. Options give other conventions, which
`explainsal.metrics.profiles` collects under names.
"""

from explainsal.functional.metrics.auc import auc, auc_judd, shuffled_auc
from explainsal.functional.metrics.density import against_density, cc, kl_div, sim
from explainsal.functional.metrics.fixation import information_gain, log_likelihood, nss
from explainsal.functional.metrics.maps import Maps
from explainsal.functional.metrics.nonfixations import Nonfixations
from explainsal.functional.metrics.points import Points
from explainsal.functional.metrics.sampled_auc import auc_borji, sampled_shuffled_auc

__all__ = [
    "Maps",
    "Nonfixations",
    "Points",
    "against_density",
    "auc",
    "auc_borji",
    "auc_judd",
    "cc",
    "information_gain",
    "kl_div",
    "log_likelihood",
    "nss",
    "sampled_shuffled_auc",
    "shuffled_auc",
    "sim",
]

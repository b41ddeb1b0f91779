"""The explanation of a network: every layer rebuilt from log-Gabor responses."""

from explainsal.explanation.bank import Filter, FilterBank
from explainsal.explanation.explainer import Explainer
from explainsal.explanation.options import Options
from explainsal.explanation.presets import BANKS, PRESETS
from explainsal.explanation.result import Coefficients, Explanation, LayerExplanation

__all__ = [
    "BANKS",
    "PRESETS",
    "Coefficients",
    "Explainer",
    "Explanation",
    "Filter",
    "FilterBank",
    "LayerExplanation",
    "Options",
]

"""The explanation without the network: coefficients shared by all images, fitted once, then frozen."""

from explainsal.explanation.standalone.attribution import attribute
from explainsal.explanation.standalone.file import load_standalone, save_standalone
from explainsal.explanation.standalone.fit import Distillation
from explainsal.explanation.standalone.network import Standalone
from explainsal.explanation.standalone.options import DistillOptions
from explainsal.explanation.standalone.refine import RefineOptions, refine
from explainsal.explanation.standalone.stage import Stage
from explainsal.explanation.standalone.terms import term_table

__all__ = [
    "DistillOptions",
    "Distillation",
    "RefineOptions",
    "Stage",
    "Standalone",
    "attribute",
    "load_standalone",
    "refine",
    "save_standalone",
    "term_table",
]

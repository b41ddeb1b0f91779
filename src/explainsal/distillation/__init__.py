"""Explanations without a network: coefficients shared by all images, fitted once, then frozen."""

from explainsal.distillation.attribution import attribute
from explainsal.distillation.file import load_standalone, save_standalone
from explainsal.distillation.fit import Distillation
from explainsal.distillation.network import Standalone
from explainsal.distillation.options import DistillOptions
from explainsal.distillation.refine import RefineOptions, refine
from explainsal.distillation.stage import Stage
from explainsal.distillation.terms import term_table

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

"""Explanations without a network: coefficients shared by all images, fitted once, then frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.lazy import import_lazily

if TYPE_CHECKING:
    from explainsal.distillation.attribution import attribute as attribute
    from explainsal.distillation.file import load_standalone as load_standalone
    from explainsal.distillation.file import save_standalone as save_standalone
    from explainsal.distillation.fit import Distillation as Distillation
    from explainsal.distillation.network import Standalone as Standalone
    from explainsal.distillation.options import DistillOptions as DistillOptions
    from explainsal.distillation.options import RefineOptions as RefineOptions
    from explainsal.distillation.refinement import refine as refine
    from explainsal.distillation.stage import Stage as Stage
    from explainsal.distillation.terms import term_table as term_table

__getattr__, __dir__ = import_lazily(__name__)

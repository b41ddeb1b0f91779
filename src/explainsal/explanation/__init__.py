"""Explain a network by rebuilding every layer from log-Gabor responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.lazy import import_lazily

if TYPE_CHECKING:
    from explainsal.explanation.bank import Filter as Filter
    from explainsal.explanation.bank import FilterBank as FilterBank
    from explainsal.explanation.explainer import Explainer as Explainer
    from explainsal.explanation.options import Options as Options
    from explainsal.explanation.presets import BANKS as BANKS
    from explainsal.explanation.presets import PRESETS as PRESETS
    from explainsal.explanation.result import Coefficients as Coefficients
    from explainsal.explanation.result import Explanation as Explanation
    from explainsal.explanation.result import LayerExplanation as LayerExplanation

__getattr__, __dir__ = import_lazily(__name__)

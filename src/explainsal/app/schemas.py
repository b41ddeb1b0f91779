"""Register the options of explanations, filter banks and distillations, which have no file in conf/.

Their names and defaults are those of the dataclasses. A configuration includes them with ``- options@_here_: default``
(conf/explainer, conf/bank) or ``- distillation@_here_: default`` (conf/distill.yaml).
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from hydra.core.config_store import ConfigStore

from explainsal.distillation.options import DistillOptions, RefineOptions
from explainsal.explanation.options import BankChanges, Options


def register_options() -> None:
    """Register the groups with Hydra. An option of an explanation or a bank that is null keeps the preset's value."""
    store = ConfigStore.instance().store
    explainer = dict.fromkeys((*_defaults(Options), "low_pass"))
    store(group="explainer/options", name="default", node=explainer)
    store(group="bank/options", name="default", node=_defaults(BankChanges))
    own = {"seed", "nonnegative"}  # set by the options `seed` and `distill.nonnegative` of the command
    refine = {name: value for name, value in _defaults(RefineOptions).items() if name not in own}
    store(group="distillation", name="default", node={"distill": _defaults(DistillOptions), "refine": refine})


def _defaults(options: type) -> dict[str, Any]:
    return {f.name: None if f.default is MISSING else f.default for f in fields(options)}

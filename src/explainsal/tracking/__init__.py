"""Loggers, Weights & Biases (W&B), and its dashboard; imported at first use, because importing Lightning is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.lazy import import_lazily

if TYPE_CHECKING:
    from explainsal.tracking.loggers import close_loggers as close_loggers
    from explainsal.tracking.loggers import log_config as log_config
    from explainsal.tracking.loggers import log_run as log_run
    from explainsal.tracking.wandb import run_id_in as run_id_in

__getattr__, __dir__ = import_lazily(__name__)

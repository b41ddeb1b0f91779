"""Resume the jobs of ``-m +sweep=...`` and write the tables and figures of a sweep after its last job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

_launched: set[Path] = set()


class SweepFolder(Callback):
    """Record the folder of a sweep in the process that launches its jobs."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Record the folder before the first job."""
        _launched.add(Path(config.hydra.sweep.dir).absolute())


def is_swept() -> bool:
    """Return whether this is a job of ``-m +sweep=...``."""
    return HydraConfig.get().mode == RunMode.MULTIRUN and "sweep" in HydraConfig.get().runtime.choices


def run_swept(task: Callable[[DictConfig], Any], cfg: DictConfig) -> dict[str, float] | None:
    """Run a job of a sweep unless it is done, and return its measured values, which a sweeper may optimize."""
    from explainsal.app.jobs import run_job
    from explainsal.reporting.manifest import git_state  # imported here so that other commands start faster

    hydra_cfg = HydraConfig.get()
    folder, parameters = Path(hydra_cfg.runtime.output_dir), parse_parameters(hydra_cfg.overrides.task)
    return run_job(folder, parameters, git_state()[0], lambda: task(cfg))


def parse_parameters(overrides: Iterable[str]) -> dict[str, str]:
    """Return the name and value of every override; the value is ``""`` for an override that deletes an option.

    Example:
        >>> parse_parameters(["+sweep=grid", "explainer.scales=[1,2]", "~debug"])
        {'sweep': 'grid', 'explainer.scales': '[1,2]', 'debug': ''}
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {o.get_key_element().lstrip("+~"): "" if o.value() is None else o.get_value_string() for o in parsed}


def finish_sweeps() -> None:
    """Write the tables and figures of the sweeps that this process launched, finished or not."""
    while _launched:
        folder = _launched.pop()
        if any(folder.glob("*/job.json")):  # without any, no job has started
            from explainsal.reporting.sweep import write_sweep

            write_sweep(folder)


def _job_key(*, _root_: DictConfig) -> str:
    from explainsal.app.jobs import job_key

    config = OmegaConf.to_container(_root_, resolve=False)
    assert isinstance(config, dict)
    return job_key({str(key): value for key, value in config.items()}, partial(OmegaConf.select, _root_))


OmegaConf.register_new_resolver("job_key", _job_key, replace=True)

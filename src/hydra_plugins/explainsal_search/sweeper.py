"""A Hydra sweeper with Optuna's ask-and-tell interface, for several objectives; the same command resumes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from explainsal.errors import UserError
from explainsal.fetch.writing import write_json
from hydra_plugins.explainsal_search.space import search_space


class SearchSweeper(Sweeper):
    """Asks Optuna for parameters, launches the jobs and reports their measures.

    A failed trial does not end the search. A journal in the sweep's folder records the trials: the same command first
    repeats failed and interrupted trials, then continues to `n_trials`. The jobs resume as those of any sweep, so that
    repeated parameters cost nothing.

    Args:
        objectives: Direction ``maximize`` or ``minimize`` by measure of the jobs; several measures give a Pareto front.
        n_trials: Total number of trials.
        n_jobs: Number of trials to ask for at once; more than one if the launcher runs jobs in parallel.
        sampler: A class of ``optuna.samplers``.
        seed: Seed of the sampler.
        storage: A database for Optuna; None: ``search.journal`` in the sweep's folder.
        params: Hydra's ``choice``, ``range``, ``interval`` or ``tag(log, interval)`` by parameter.
    """

    def __init__(
        self, objectives: Mapping[str, str], n_trials: int, n_jobs: int, sampler: str, seed: int, storage: str | None,
        params: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.objectives, self.params = {str(k): str(v) for k, v in objectives.items()}, dict(params)
        if wrong := [way for way in self.objectives.values() if way not in ("maximize", "minimize")]:
            raise UserError(f"hydra.sweeper.objectives: {wrong[0]} is neither maximize nor minimize")
        self.n_trials, self.n_jobs, self.seed = n_trials, n_jobs, seed
        self.sampler, self.storage = sampler, storage

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Set up the sweeper; Hydra calls this."""
        self.config, self.hydra_context = config, hydra_context  # the base class uses these names
        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Search and return Optuna's study.

        Raises:
            UserError: If Optuna is not installed, another process searches here, or an objective does not exist.
            Exception: The error of the first failed job, after the last trial.
        """
        try:
            import optuna
        except ImportError as error:
            raise UserError('+sweep=search needs Optuna: pip install "explainsal[search]"') from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir)
        with _alone(folder):
            OmegaConf.save(self.config, folder / "multirun.yaml")
            write_json(folder / "objectives.json", self.objectives)
            parser = OverridesParser.create(config_loader=self.loader)
            given = [f"{name}={value}" for name, value in self.params.items()]
            space, fixed = search_space(parser.parse_overrides([*given, *arguments]))
            study = self._study(folder, space, fixed)
            missing = self.n_trials - _repeat(study)
            print(f"search: {max(missing, 0)} of {self.n_trials} trials to go, in {folder}")
            errors: list[BaseException] = []
            while missing > 0:
                trials = [study.ask(space) for _ in range(min(self.n_jobs, missing))]
                errors += self._run(study, trials, fixed)
                missing -= len(trials)
            print(f"search: {len(study.best_trials)} trials on the Pareto front of {', '.join(self.objectives)}")
        if errors:
            raise errors[0]
        return study

    def _study(self, folder: Path, space: Mapping[str, Any], fixed: Sequence[str]) -> Any:
        """Return the study of these ranges, objectives and configuration; any other combination is another study."""
        import optuna
        from optuna.distributions import distribution_to_json

        from explainsal.app.jobs import job_key

        assert self.config is not None
        composed = self.loader.load_sweep_config(self.config, list(fixed))
        config = OmegaConf.to_container(composed, resolve=False)
        assert isinstance(config, dict)
        ranges = {name: distribution_to_json(found) for name, found in space.items()}
        searched = {**{str(key): value for key, value in config.items()}, "search": [ranges, self.objectives]}
        name = job_key(searched, partial(OmegaConf.select, composed))
        study = optuna.create_study(
            storage=self.storage or journal(folder),
            study_name=name,
            directions=["maximize" if way == "maximize" else "minimize" for way in self.objectives.values()],
            load_if_exists=True,
        )
        kind = getattr(optuna.samplers, self.sampler, None)
        if kind is None:
            raise UserError(f"hydra.sweeper.sampler={self.sampler}: optuna.samplers has no such class")
        study.sampler = kind(seed=self.seed + len(study.trials))  # a resumed search draws new trials
        return study

    def _run(self, study: Any, trials: Sequence[Any], fixed: Sequence[str]) -> list[BaseException]:
        """Launch the jobs of some trials, equal ones once, report their measures, and return the errors."""
        from optuna.trial import TrialState

        assert self.launcher is not None
        wanted = {trial.number: (*fixed, *(f"{k}={v}" for k, v in trial.params.items())) for trial in trials}
        batch = list(dict.fromkeys(wanted.values()))
        self.validate_batch_is_legal(batch)
        jobs = dict(zip(batch, self.launcher.launch(batch, initial_job_idx=trials[0].number), strict=True))
        for trial in trials:
            values = self._values(jobs[wanted[trial.number]])
            study.tell(trial, values, state=TrialState.FAIL if values is None else TrialState.COMPLETE)
        return [job._return_value for job in jobs.values() if job.status != JobStatus.COMPLETED]

    def _values(self, job: JobReturn) -> list[float] | None:
        """Return the objectives of a job; None if it failed or another process runs it."""
        if job.status != JobStatus.COMPLETED or job.return_value is None:
            return None
        if absent := set(self.objectives) - set(job.return_value):
            raise UserError(
                f"hydra.sweeper.objectives: no job measures {', '.join(sorted(absent))}; there are "
                f"{', '.join(job.return_value)}. Distances to null models (..._gap) need nulls=[shuffled_filters]"
            )
        values = [float(job.return_value[name]) for name in self.objectives]
        return None if any(math.isnan(value) for value in values) else values  # Optuna cannot compare NaN


def journal(folder: Path) -> Any:
    """Return Optuna's storage for the searches in a folder: a file, without a database."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(folder / "search.journal")))


def _repeat(study: Any) -> int:
    """Queue failed or interrupted trials that were not repeated yet; return the number of complete trials."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    settled = [trial.params for trial in study.get_trials(states=(TrialState.COMPLETE,))]
    queued = [trial.system_attrs.get("fixed_params") for trial in study.get_trials(states=(TrialState.WAITING,))]
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if trial.params not in (*settled, *queued):
            study.enqueue_trial(trial.params)
            queued.append(trial.params)
    return len(settled)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock a folder against other searches; the lock of a killed process does not block."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "search.lock", timeout=0):
            yield
    except Timeout as error:
        raise UserError(f"another search works in {folder}; hydra.sweep.dir=FOLDER starts one elsewhere") from error

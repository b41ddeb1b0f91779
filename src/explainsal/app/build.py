"""Build the objects that a configuration describes: data, models, explanations; imports no Lightning, which is slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from explainsal.classical import MODELS
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.folder import Chosen, read_folder
from explainsal.data.folder_parts import read_parts
from explainsal.data.reading import Reading
from explainsal.errors import UserError
from explainsal.explanation.run import ExplanationRun
from explainsal.models import SaliencyModel
from explainsal.models.weight_sources import locate_weights
from explainsal.workflows.devices import choose_device, use_one_process
from explainsal.workflows.loading import NETWORKS, load_model, require_network, warn_if_untrained, with_preprocessing

if TYPE_CHECKING:
    from lightning import Trainer

    from explainsal.datamodules.base import SaliencyDataModule


def build_group(group: Mapping[str, Any] | None) -> dict[str, Any]:
    """Build the members of a group, such as the callbacks; members that are null are skipped.

    Args:
        group: The members by name, each with its ``_target_``; None for a group that is null.

    Example:
        >>> build_group(OmegaConf.create({"one": {"_target_": "builtins.dict", "a": 1}, "two": None}))
        {'one': {'a': 1}}
    """
    return {str(name): instantiate(node) for name, node in (group or {}).items() if node is not None}


def build_datamodule(cfg: DictConfig) -> SaliencyDataModule:
    """Build the data module of ``cfg.data``, which reads nothing yet."""
    return cast("SaliencyDataModule", instantiate(cfg.data))


def build_pictures(cfg: DictConfig) -> SaliencyDataset | None:
    """Read the pictures of ``image=...`` without a data module; None for a data set or pictures with ground truth.

    Raises:
        MissingFilesError: If there is no such picture or folder, or it holds no picture.
    """
    data = cfg.data
    if cfg.image is None or data.root != cfg.image or (data.split, data.fold, data.eval_split) != (None, None, None):
        return None
    reading = Reading(data.outside, data.unreadable, Path(data.cache) if data.cache else None, data.decoded)
    pictures = read_folder(data.root, reading=reading, chosen=Chosen(data.stimuli, data.fixations))
    known = pictures.has_fixations or pictures.has_density or read_parts(data.root)
    return None if known else pictures


def build_model(cfg: DictConfig, default: str | None = None) -> nn.Module:
    """Build the model of ``checkpoint=...``, or of ``model=NAME`` with ``weights=...`` if it has any.

    Args:
        default: Name of the model if the options name none; None makes that an error.

    Raises:
        UserError: If the options give no model, both a checkpoint and a model, or weights that no model takes.
    """
    check_model_options(cfg, default)
    if cfg.checkpoint is None and cfg.get("model") is None:
        print(f"neither checkpoint= nor model= is given: using {default}, the network that comes with explainsal")
        return load_model(str(default))
    if cfg.checkpoint is not None:
        return load_model(cfg.checkpoint)
    model = _build_named(cfg)
    warn_if_untrained(model)
    return model


def check_model_options(cfg: DictConfig, default: str | None = None) -> None:
    """Raise if the options name no model, although there is no default, or two, or only the weights of one."""
    check_weights(cfg)
    model, checkpoint = cfg.get("model") is not None, cfg.checkpoint is not None
    if (model and checkpoint) or not (model or checkpoint or default):
        raise UserError(
            "which model? Give either checkpoint=FILE.ckpt (written by explainsal.train) or model=NAME, "
            f"weights=FILE or weights=published; names: {', '.join((*NETWORKS, *MODELS))}"
        )


def check_weights(cfg: DictConfig) -> None:
    """Raise if the options give weights without the network that they belong to."""
    if cfg.weights is not None and cfg.get("model") is None:
        instead = " instead of checkpoint=..., which has its own weights" if cfg.get("checkpoint") is not None else ""
        raise UserError(f"weights={cfg.weights}: of which network? Give model=NAME, e.g. model=unisal{instead}")


def _build_named(cfg: DictConfig) -> nn.Module:
    if cfg.weights is None:
        return with_preprocessing(instantiate(cfg.model).eval())
    if "weights" not in cfg.model:
        raise UserError(f"{cfg.model._target_.rpartition('.')[2]} is a classical model: it has no weights to load")
    weights = locate_weights(cfg.weights, find_network_name(cfg.model), folder=Path(cfg.paths.weights))
    return with_preprocessing(instantiate(cfg.model, weights=str(weights)).eval())


def find_network_name(node: DictConfig) -> str:
    """Return the name of the network that a node of the model group builds.

    Example:
        >>> find_network_name(OmegaConf.create({"_target_": "explainsal.models.unisal.build"}))
        'unisal'
    """
    return str(node._target_).split(".")[-2]


def build_network(cfg: DictConfig, default: str | None = None) -> SaliencyModel:
    """Build the model as `build_model` does, for commands that look inside a network.

    Raises:
        UserError: If the model is a classical one.
    """
    return require_network(build_model(cfg, default))


def choose_cfg_device(cfg: DictConfig) -> torch.device:
    """Return the device of ``cfg.trainer``.

    Raises:
        UserError: If this machine has no such device.
    """
    return choose_device(str(cfg.trainer.accelerator), cfg.trainer.devices)


def warn_of_one_process(cfg: DictConfig, what: str) -> None:
    """Warn if ``cfg.trainer`` asks for several devices where one process does the work."""
    use_one_process(what, cfg.trainer.devices)


def trainer_factory(cfg: DictConfig) -> Callable[..., Trainer]:
    """Return a function that builds the trainer of ``cfg.trainer`` with changes."""
    return partial(instantiate, cfg.trainer)


def build_explanation(cfg: DictConfig) -> ExplanationRun:
    """Build the explanation of a run from ``cfg.explainer`` (preset and options) and ``cfg.bank``.

    Raises:
        UserError: If two filter banks are given, or an option is out of range.
    """
    options = cast("dict[str, Any]", OmegaConf.to_container(cfg.explainer, resolve=True))
    preset, changed = str(options.pop("preset")), _bank_changes(cfg)
    if changed and options.get("bank") is not None:
        raise UserError("two filter banks: give bank=NAME (and bank.KEY=...) or explainer.bank=..., not both")
    return _build_run(cfg, preset, options | changed)


def build_preset_explanations(cfg: DictConfig) -> list[ExplanationRun]:
    """Build the explanations that accompany an evaluation.

    There is one per preset in ``cfg.evaluation.presets``, or only that of ``cfg.explainer`` if it is given. The filters
    of ``cfg.bank`` replace those of every preset.
    """
    if cfg.get("explainer") is not None and cfg.evaluation.presets:
        return [build_explanation(cfg)]
    return [_build_run(cfg, preset, _bank_changes(cfg)) for preset in cfg.evaluation.presets]


def _bank_changes(cfg: DictConfig) -> dict[str, Any]:
    """Return the ``bank`` option of an explanation, empty unless the command changes the preset's filters."""
    bank = OmegaConf.to_container(cfg.bank, resolve=True) if cfg.get("bank") is not None else {}
    changed = {key: value for key, value in cast("dict[str, Any]", bank).items() if value is not None}
    return {"bank": changed} if changed else {}


def _build_run(cfg: DictConfig, preset: str, options: dict[str, Any] | None = None) -> ExplanationRun:
    return ExplanationRun(
        preset,
        Path(cfg.paths.output) / "explanation" / preset,
        limit=cfg.evaluation.explain_images,
        batch_size=cfg.evaluation.explain_batch_size,
        options=options,
    )

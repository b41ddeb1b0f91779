"""Refinement of a finished standalone model against another network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.progress import Progress
from tests.distillation.small import OPTIONS, SIZE, fitted
from torch import nn
from torch.testing import assert_close

from explainsal.datamodules.fit import MixedSamples
from explainsal.datamodules.synthetic import SyntheticDataModule
from explainsal.distillation import RefineOptions, save_standalone
from explainsal.distillation.quality import mean_cc
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.workflows.distilling import FitOptions
from explainsal.workflows.refining import load_start, read_lessons, refine_best


class Bright(nn.Module):
    """A network whose map is the squared mean of the colours, and that remembers what it saw."""

    def __init__(self):
        super().__init__()
        self.scale, self.seen = nn.Parameter(torch.tensor(3.0)), []

    def forward(self, images):
        self.seen.append(tuple(images.shape[-2:]))
        return self.scale * images.mean(1, keepdim=True).square()


@pytest.fixture
def scenes(tmp_path):
    """Two data sets, whose images differ in shape: a wide one and a tall one."""
    sets = {}
    for name, size in (("wide", (32, 48)), ("tall", (48, 32))):
        module = SyntheticDataModule(
            tmp_path / name, sizes={"train": 4, "val": 1, "test": 1}, image_size=size, seed=1, batch_size=1
        )
        module.prepare_data()
        sets[name] = module.dataset("train")
    return MixedSamples(sets)


def test_a_started_model_is_refined_against_maps_that_the_network_makes_of_whole_images(scenes, tmp_path):
    net = Bright()
    network = SaliencyModel(net, name="bright", options={}, input_size=None)
    model = fitted().model
    before = [stage.table for stage in model.stages]
    with Progress() as progress:
        lessons = read_lessons(scenes, network, model, tmp_path / "lessons", progress)
        assert net.seen == [(32, 48)] * 4 + [(48, 32)] * 4
        assert lessons.samples.images.shape == (8, 3, *SIZE)
        assert_close(lessons.deep.mean((1, 2, 3)), torch.ones(8))
        start = mean_cc(model, lessons.samples, lessons.deep)
        refine_best(model, lessons, lessons, RefineOptions(epochs=4), tmp_path, progress)
    assert mean_cc(model, lessons.samples, lessons.deep) > start + 0.02
    assert [stage.table for stage in model.stages] == before


def test_a_start_has_to_be_finished_and_excludes_a_fit(tmp_path):
    file = save_standalone(fitted().model, tmp_path / "standalone.safetensors", {"finished": False})
    with pytest.raises(UserError, match=f"start={file}: its fit was interrupted; finish it with resume="):
        load_start(file)
    with pytest.raises(UserError, match="needs refine.epochs=N"):
        FitOptions(start=file)
    for wrong in ({"stages": OPTIONS}, {"resume": Path("outputs")}, {"input_size": [16, 24]}):
        with pytest.raises(UserError, match="remove resume, input_size and the options of distill"):
            FitOptions(start=file, refinement=RefineOptions(epochs=1), **wrong)

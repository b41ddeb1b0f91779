"""A fit that takes a second: six small images, four coefficients per map."""

from __future__ import annotations

import torch
from tests.explanation.nets import Plain
from torch import nn

from explainsal.distillation import (
    Distillation,
    DistillOptions,
)
from explainsal.explanation import FilterBank

SIZE = (16, 24)
BANK = FilterBank(
    wavelengths=(4.0, 8.0), n_orientations=3, sigma_on_f=(0.6,), sigma_theta=(0.6,), low_pass=(1.0, 2.0),
    low_pass_parts=("even", "half_wave", "half_squared"), up_to_map_size=True,
)  # fmt: skip
OPTIONS = DistillOptions(bank=BANK, layers="leaf", terms=4, pool_size=3)


def samples(count=6, size=SIZE, batch=4):
    """Return images with structure: blurred noise with contrast."""
    noise = torch.rand(count, 3, size[0] + 2, size[1] + 2, generator=torch.Generator().manual_seed(3))
    images = nn.functional.avg_pool2d(noise, 3, stride=1)
    density = images.mean(1).square()
    return lambda: iter([(images[i : i + batch], density[i : i + batch]) for i in range(0, count, batch)])


def fitted(net=None, options=OPTIONS, count=6, store=None, stages=None):
    fit = Distillation(Plain() if net is None else net, samples(count), count, options, store=store)
    while fit.todo and (stages is None or len(fit.model.stages) < stages):
        fit.step()
    return fit

"""A network of somebody else: written here, trained for seconds on synthetic scenes, explained with the defaults."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.data.scenes import make_scene
from explainsal.explanation import Explainer
from explainsal.explanation.nulls import null_explainer

SIZE = (96, 128)
TRAINED_ON, STEPS, BATCH = 96, 120, 8


class Foreign(nn.Module):
    """Two resolutions that meet; functional enlargements, and a softmax over the pixels that no module computes."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.down = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True)
        )
        self.deep = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, 3, padding=2, dilation=2), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True)
        )
        self.up, self.head = nn.Conv2d(3 * width, width, 3, padding=1), nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.stem(images)
        coarse = F.interpolate(self.deep(self.down(fine)), size=fine.shape[-2:], mode="bilinear")
        scores = self.head(F.relu(self.up(torch.cat([fine, coarse], 1))))
        scores = F.interpolate(scores, size=images.shape[-2:], mode="bilinear")
        return scores.flatten(1).softmax(1).reshape(scores.shape)


def scenes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    made = [make_scene(rng, SIZE) for _ in range(count)]
    images = torch.from_numpy(np.stack([scene.image for scene in made])).permute(0, 3, 1, 2).float() / 255
    return images, torch.from_numpy(np.stack([scene.density() for scene in made])).float()[:, None]


def cc(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack([torch.corrcoef(torch.stack(pair).flatten(1))[0, 1] for pair in zip(first, second, strict=True)])


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    torch.manual_seed(0)
    net, (images, density) = Foreign().double(), scenes(TRAINED_ON, seed=0)
    images, density = images.double(), density.double()  # in float64 every machine gets the same network
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=STEPS)
    for _ in range(STEPS):
        some = torch.randint(len(images), (BATCH,))
        loss = F.kl_div(net(images[some]).clamp_min(1e-12).log(), density[some], reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.float().eval()


@pytest.mark.slow
def test_the_default_explanation_of_a_foreign_network_is_faithful(trained):
    """Measured: .985 (lowest .978), with shuffled filters .79."""
    images, density = scenes(6, seed=1)
    assert cc(trained(images), density).mean() > 0.6  # it has learned something that is worth explaining
    explainer = Explainer(trained)
    out = explainer(images)
    fidelity = cc(out.saliency_map, out.explainable_map)
    assert fidelity.min() >= 0.96
    assert out.explainable_map.sum((1, 2, 3)).sub(1).abs().max() < 1e-4  # a density, as the network returns it

    flat = Explainer(trained, output_weight=0)(images)
    assert fidelity.mean() > cc(flat.saliency_map, flat.explainable_map).mean() + 0.01
    null = null_explainer(explainer, "shuffled_filters")(images)
    assert fidelity.mean() > cc(null.saliency_map, null.explainable_map).mean() + 0.1

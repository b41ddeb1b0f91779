"""On a GPU the metrics are those of the CPU, and deterministic."""

from __future__ import annotations

import pytest
import torch
from tests.functional.metrics.test_properties import all_metrics, counts, equal, random_fixations, random_maps

from explainsal.functional import metrics
from explainsal.types import DensityMap, FixationBatch, FixationMap

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("levels", [0, 5])
def test_values_are_those_of_the_cpu(levels: int) -> None:
    preds, fixations, others = random_maps(1, 4, levels), random_fixations(1, 4), counts(1, 4)
    target = DensityMap(random_maps(2, 4))
    torch.use_deterministic_algorithms(True)
    try:
        runs = [all_metrics(preds.cuda(), fixations.to("cuda"), others.to("cuda"), target.to("cuda")) for _ in "ab"]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(value.is_cuda for value in runs[0])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    equal([value.cpu() for value in runs[0]], all_metrics(preds, fixations, others, target))


def test_mixed_devices_are_refused() -> None:
    preds, fixations = random_maps(3).cuda(), random_fixations(3)
    with pytest.raises(ValueError, match="fixations on cpu"):
        metrics.nss(preds, fixations)
    with pytest.raises(ValueError, match="target is on cpu"):
        metrics.cc(preds, DensityMap(random_maps(4)))
    nobody = FixationBatch.from_points([torch.zeros(0, 2)] * 2).to("cuda")
    with pytest.raises(ValueError, match="nonfixations on cpu"):
        metrics.shuffled_auc(preds, nobody, FixationMap(counts(3).counts))

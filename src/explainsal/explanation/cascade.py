"""Sanity check of Adebayo et al. (2018): randomize a network's weights layer after layer, and explain it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from torch import Tensor, nn

from explainsal.explanation.explainer import Explainer
from explainsal.explanation.nulls import untrained_copy
from explainsal.functional.reconstruction import pearson
from explainsal.tracing.capture import as_in_evaluation

CASCADE = "cascade"  # its name among the null models of a command
TRAINED = "trained"  # the network before any randomization
STEPS = 5  # randomized copies of the network; each costs an explanation of every image


def cascade_table(
    explainer: Explainer, images: Tensor, *, ids: Sequence[str] | None = None, steps: int = STEPS, seed: int = 0
) -> pd.DataFrame:
    """Explain a network while its weights are randomized from the last layer backwards.

    A meaningful explanation changes with the weights about as much as the network's own map does.

    Args:
        explainer: Explainer of the trained network; not changed.
        images: Shape ``(B, C, H, W)``.
        ids: A name per image; default their positions.
        steps: Number of copies of the network, evenly from one randomized layer to all.
        seed: Seed of the random weights.

    Returns:
        One row per step and image: step, layer (the last one reached; ``"trained"`` at step 0), fresh (number of layers
        with random weights), image, cc_to_deep (explainable map to the map of the same network), maps (CC of this
        network's map to the trained network's), explanations (the same CC for the explainable maps); 0 if the second of
        a pair is constant, NaN if the first is.
    """
    names = [str(i) for i in range(len(images))] if ids is None else list(ids)
    order = run_order(explainer.net, images[:1])
    before = explainer(images)
    rows = []
    for step, (layer, fresh, net) in enumerate(cascade(explainer.net, order, steps=steps, seed=seed)):
        after = before if net is explainer.net else explainer.changed(net)(images)
        measures = {
            "cc_to_deep": pearson(after.saliency_map, after.explainable_map),
            "maps": pearson(before.saliency_map, after.saliency_map),
            "explanations": pearson(before.explainable_map, after.explainable_map),
        }
        for i, image in enumerate(names):
            values = {name: float(value[i, 0]) for name, value in measures.items()}
            rows.append({"step": step, "layer": layer, "fresh": fresh, "image": image, **values})
    return pd.DataFrame(rows)


def cascade(
    net: nn.Module, order: Sequence[str], *, steps: int | None = None, seed: int = 0
) -> Iterator[tuple[str, int, nn.Module]]:
    """Yield the network itself, then copies with random weights from the last layer back to a given one.

    Args:
        net: The network; not changed.
        order: Names of its modules with their own parameters, in execution order.
        steps: Number of copies, evenly from one randomized layer to all; None: one per layer.
        seed: Seed of the weights.

    Yields:
        Name of the last layer reached, number of randomized layers, and the network.
    """
    yield TRAINED, 0, net
    counts = np.linspace(1, len(order), min(len(order), steps or len(order))).round().astype(int)
    for fresh in map(int, counts):
        kept = set(order[: len(order) - fresh])
        yield order[len(order) - fresh], fresh, untrained_copy(net, seed=seed, keep=kept.__contains__)


def run_order(net: nn.Module, images: Tensor) -> list[str]:
    """Return the names of the modules with their own parameters, in the order of their first run.

    Modules that do not run come first, so a cascade reaches them last.
    """
    ran: list[str] = []
    owners = {name: module for name, module in net.named_modules() if [*module.parameters(recurse=False)]}
    hooks = [m.register_forward_hook(lambda module, args, out, name=n: ran.append(name)) for n, m in owners.items()]
    try:
        with as_in_evaluation(net):
            net(images)
    finally:
        for hook in hooks:
            hook.remove()
    return [*(name for name in owners if name not in ran), *dict.fromkeys(ran)]

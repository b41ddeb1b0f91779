"""The learned graph: its terms are dropped for good, and as a standalone model it has the same maps."""

from __future__ import annotations

import copy

import pytest
import torch

from explainsal.distillation import load_standalone, save_standalone, term_table
from explainsal.distillation.freezing import freeze
from explainsal.distillation.graph import LearnedGraph, build, plan_stages

SIZE = (48, 64)


def small(seed=0):
    torch.manual_seed(seed)
    return LearnedGraph(SIZE, widths=(3, 4, 2), depth=2)


def images(count=2):
    return torch.rand(count, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def trained(terms=6):
    """A graph after some training steps, so that units, means and variances are its own."""
    graph, target = small(), torch.rand(2, 1, 12, 16)
    graph.prune(terms)
    optimizer = torch.optim.Adam(graph.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        (graph(images()).exp() - target).square().mean().backward()
        optimizer.step()
    return graph.eval()


def test_only_the_largest_weights_are_kept_and_none_returns():
    graph = small()
    graph(images())
    sizes = {name: (part.weight * part.kept).abs() for name, part in graph.sums["deep1"].items()}
    graph.prune(7)
    assert graph.terms == 7
    kept = torch.cat([part.kept.flatten(1) for part in graph.sums["deep1"].values()], 1)
    size = torch.cat([one.flatten(1) for one in sizes.values()], 1)
    assert torch.equal(kept, size >= size.topk(7, 1).values[:, -1:])
    (graph(images()) * torch.rand(2, 1, 12, 16)).sum().backward()
    part = graph.sums["deep1"]["early"]
    assert (part.weight.grad[~part.kept] == 0).all()
    assert (part.weight.grad[part.kept] != 0).any()
    with torch.no_grad():
        part.weight.add_(1.0)  # what an optimizer with momentum may do
    assert (part.value[~part.kept] == 0).all()
    graph.prune(7)
    assert (part.weight[~part.kept] == 0).all()


def test_the_first_training_batch_sets_the_units_and_later_ones_do_not():
    graph = small()
    graph.eval()(images())
    assert not graph.calibrated
    graph.train()(images())
    unit = graph.sums["deep1"]["early"].unit.clone()
    assert graph.calibrated
    assert (unit != 1).all()
    graph(10 * images())
    assert torch.equal(unit, graph.sums["deep1"]["early"].unit)


def test_means_and_variances_start_as_those_of_the_first_batch():
    graph, seen = small(), []
    graph.norms["back"].register_forward_pre_hook(lambda norm, args: seen.append(args[0]))
    graph(images(8))
    assert torch.allclose(graph.norms["back"].running_mean, seen[0].mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(graph.norms["back"].running_var, seen[0].var((0, 2, 3)), rtol=1e-4)


def test_a_frozen_graph_has_the_same_maps_and_its_file_too(tmp_path):
    graph = trained()
    with torch.no_grad():
        wanted = graph(images()).flatten(1).exp()
        model = freeze(copy.deepcopy(graph), [images()])
        loaded, _ = load_standalone(save_standalone(model, tmp_path / "standalone.safetensors", {"finished": True}))
        for one in (model, loaded):
            found = one(images()).flatten(1)
            assert torch.allclose(found, wanted * wanted.shape[1], rtol=0.05)  # the graph's small maps are in bfloat16
    assert model.coefficients <= 7 * (3 + 4 + 4 + 2 + 1)
    table = term_table(model)
    assert table.groupby(["layer", "map"]).size().max() <= 6
    assert table.loc[table["layer"] == table["layer"].max(), "flow"].sum() == pytest.approx(1)


def test_maps_without_effect_are_left_out():
    graph = trained()
    output = graph.sums["output"]["back"]
    with torch.no_grad():
        output.kept[:, 1] = False  # the last map no longer depends on the second map of this stage
        wanted = graph(images()).flatten(1).exp()
        model = freeze(graph, [images()])
        assert torch.allclose(model(images()).flatten(1), wanted * wanted.shape[1], rtol=0.05)
    channels = {stage.name: stage.channels for stage in model.stages}
    assert 1 not in channels.get("back", ())
    used = {name: set() for name in channels}
    for stage in model.stages:
        for source, place in zip(stage.source.flatten().tolist(), stage.place.flatten().tolist(), strict=True):
            if source >= 0 and stage.sources[source] in used:
                used[stage.sources[source]].add(place)
    assert all(used[name] == set(range(len(maps))) for name, maps in channels.items() if name != "output")


def test_sizes_of_the_terms_are_measured_on_all_images():
    graph, both = trained(), images()
    whole = freeze(copy.deepcopy(graph), [both])
    single = freeze(copy.deepcopy(graph), both.split(1))
    with torch.no_grad():
        maps, stage = {}, whole.stages[0]
        candidates = stage.candidates(maps, whole.image_responses(both)[0])
        wanted = candidates.transpose(0, 1).flatten(1).std(1, correction=0)[stage.slot] * (stage.source >= 0)
    assert torch.allclose(stage.spread, wanted, rtol=1e-4, atol=1e-6)
    assert torch.allclose(stage.spread, single.stages[0].spread, rtol=1e-4, atol=1e-6)


def test_stages_use_only_earlier_ones():
    known = {"input", "center"}
    for stage in plan_stages((144, 192), (2, 3, 4), depth=3):
        assert set(stage.sources) <= known
        assert set(stage.blurred) <= set(stage.sources)
        known.add(stage.name)
    assert [stage.size for stage in plan_stages((144, 192), (2, 3, 4), 2)] == [
        (36, 48),
        *[(18, 24)] * 2,
        *[(36, 48)] * 2,
    ]


@pytest.mark.parametrize("options", [{"widths": (1, 2)}, {"widths": (0, 2, 2)}, {"depth": 1}, {"input_size": (50, 64)}])
def test_impossible_sizes_are_refused(options):
    with pytest.raises(ValueError, match="widths|multiples of 8"):
        build(**options)


def test_the_model_takes_images_of_any_size_and_returns_a_density():
    model = build(widths=(2, 3, 2), depth=2, input_size=(48, 64)).eval()
    maps = model(torch.rand(1, 3, 60, 90))
    assert maps.shape == (1, 1, 60, 90)
    assert model.net(torch.rand(2, 3, 48, 64)).exp().sum((1, 2, 3)).tolist() == pytest.approx([1, 1])
    assert bool((maps > 0).all())
    assert not model.trained


def test_the_null_model_has_shuffled_filters():
    torch.manual_seed(0)
    real = build(widths=(2, 3, 2), depth=2, input_size=(48, 64))
    torch.manual_seed(0)
    null = build(widths=(2, 3, 2), depth=2, input_size=(48, 64), shuffle=1)
    assert null.net.bank == real.net.bank.shuffled(1)
    assert not torch.allclose(null(images()), real(images()), rtol=0.05)

"""Truths that need no oracle: invariances, edges, refusals, independence of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from explainsal.functional import metrics
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.metrics import Maps, Nonfixations, Points, chunks, draws, ranks
from explainsal.types import DensityMap, FixationBatch, FixationMap

SIZE = (9, 14)
PIXELS = SIZE[0] * SIZE[1]


@pytest.fixture
def plain() -> Iterator[None]:
    """The path in plain PyTorch, whose chunks and tables are looked at."""
    with plain_only():
        yield


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_maps(seed: int, images: int = 2, levels: int = 0) -> Tensor:
    maps = torch.rand(images, *SIZE, dtype=torch.float64, generator=generator(seed))
    return (maps * levels).floor() if levels else maps


def random_fixations(seed: int, images: int = 2, most: int = 20) -> FixationBatch:
    counts = torch.randint(2, most, (images,), generator=generator(seed)).tolist()
    wh = torch.tensor([SIZE[1], SIZE[0]], dtype=torch.float64)
    points = [torch.rand(n, 2, dtype=torch.float64, generator=generator(seed + i)) * wh for i, n in enumerate(counts)]
    return FixationBatch.from_points(points)


def counts(seed: int, images: int = 2) -> FixationMap:
    return FixationMap(torch.randint(0, 3, (images, *SIZE), generator=generator(seed)))


def moved(fixations: FixationBatch, pixel: Callable[[Tensor], Tensor]) -> FixationBatch:
    """The fixations on other pixels: `pixel` maps old flat pixels to new ones."""
    new = pixel(fixations.pixels(SIZE))
    x, y = (new % SIZE[1]).double(), (new // SIZE[1]).double()
    return FixationBatch(x, y, fixations.image, fixations.batch_size)


def rank_metrics(preds: Tensor, fixations: FixationBatch, others: FixationMap) -> list[Tensor]:
    return [
        metrics.auc(preds, fixations),
        metrics.auc(preds, fixations, nonfixations="unfixated"),
        metrics.auc_judd(preds, fixations),
        metrics.auc_judd(preds, fixations, ties="diagonal", unique=False),
        metrics.shuffled_auc(preds, fixations, others),
    ]


def all_metrics(preds: Tensor, fixations: FixationBatch, others: FixationMap, target: DensityMap) -> list[Tensor]:
    return [
        *rank_metrics(preds, fixations, others),
        metrics.nss(preds, fixations),
        metrics.information_gain(preds, fixations, target.values),
        metrics.log_likelihood(preds, fixations),
        metrics.sim(preds, target),
        metrics.cc(preds, target),
        metrics.kl_div(preds, target),
        metrics.auc_borji(preds, fixations, splits=3),
        metrics.sampled_shuffled_auc(preds, fixations, others, splits=3),
        metrics.sampled_shuffled_auc(preds, fixations, others, splits=None, step=0.01),
    ]


def equal(first: list[Tensor], second: list[Tensor], tolerance: float = 1e-12) -> None:
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


few = settings(deadline=None, max_examples=25)
seeds = given(seed=st.integers(0, 10**6), levels=st.sampled_from([0, 2, 5]))


@few
@seeds
@pytest.mark.parametrize("function", [torch.exp, lambda x: 3 * x - 7, lambda x: x**3, lambda x: x.float()])
def test_ranks_ignore_increasing_functions(function: Callable[[Tensor], Tensor], seed: int, levels: int) -> None:
    preds, fixations, others = random_maps(seed, levels=levels), random_fixations(seed), counts(seed)
    equal(rank_metrics(function(preds), fixations, others), rank_metrics(preds, fixations, others))


@few
@seeds
def test_reversed_maps_mirror_the_exact_auc(seed: int, levels: int) -> None:
    preds, fixations, others = random_maps(seed, levels=levels), random_fixations(seed), counts(seed)
    equal([1 - metrics.auc(-preds, fixations)], [metrics.auc(preds, fixations)])
    equal([1 - metrics.shuffled_auc(-preds, fixations, others)], [metrics.shuffled_auc(preds, fixations, others)])


@few
@seeds
def test_scale_of_the_map_does_not_matter(seed: int, levels: int) -> None:
    """Multiplying by a positive number never does; adding one changes densities (SIM, KLD, IG) but not NSS and CC."""
    preds, fixations, others = random_maps(seed, levels=levels), random_fixations(seed), counts(seed)
    target = DensityMap(random_maps(seed + 1))
    equal(all_metrics(preds * 1024, fixations, others, target), all_metrics(preds, fixations, others, target))
    scaled = DensityMap(target.values * 0.125)
    equal(all_metrics(preds, fixations, others, scaled), all_metrics(preds, fixations, others, target))
    equal([metrics.nss(preds + 5, fixations)], [metrics.nss(preds, fixations)], 1e-9)
    equal([metrics.cc(preds + 5, target)], [metrics.cc(preds, target)], 1e-9)


@few
@seeds
def test_where_pixels_lie_does_not_matter(seed: int, levels: int) -> None:
    """Any permutation of the pixels, applied to everything; a horizontal flip is one."""
    preds, fixations, others = random_maps(seed, levels=levels), random_fixations(seed), counts(seed)
    target = DensityMap(random_maps(seed + 1))
    expected = all_metrics(preds, fixations, others, target)
    flip = torch.arange(PIXELS).reshape(SIZE).flip(1).reshape(-1)
    for order in (torch.randperm(PIXELS, generator=generator(seed)), flip):
        place = order.argsort()

        def permuted(maps: Tensor, order: Tensor = order) -> Tensor:
            return maps.reshape(len(maps), -1)[:, order].reshape(maps.shape)

        actual = all_metrics(
            permuted(preds),
            moved(fixations, lambda pixel, place=place: place[pixel]),
            FixationMap(permuted(others.counts)),
            DensityMap(permuted(target.values)),
        )
        random = (11, 12)  # these two draw pixels by number
        equal(
            [a for i, a in enumerate(actual) if i not in random], [e for i, e in enumerate(expected) if i not in random]
        )


@few
@seeds
def test_repeated_fixations(seed: int, levels: int) -> None:
    """Doubling every fixation changes no mean; `unique` undoes any repetition."""
    preds, fixations, others = random_maps(seed, levels=levels), random_fixations(seed), counts(seed)

    def repeated(times: Tensor) -> FixationBatch:
        x, y, image = (t.repeat_interleave(times) for t in (fixations.x, fixations.y, fixations.image))
        return FixationBatch(x, y, image, fixations.batch_size)

    target = DensityMap(random_maps(seed + 1))
    twice = repeated(torch.tensor(2).expand(len(fixations.x)))
    equal(all_metrics(preds, twice, others, target), all_metrics(preds, fixations, others, target))
    some = repeated(torch.randint(1, 4, (len(fixations.x),), generator=generator(seed)))
    for function in (metrics.nss, metrics.auc, metrics.information_gain):
        equal([function(preds, some, unique=True)], [function(preds, fixations, unique=True)])
    equal([metrics.auc_judd(preds, some)], [metrics.auc_judd(preds, fixations)])


@few
@seeds
def test_batches_and_order_do_not_matter(seed: int, levels: int) -> None:
    images = 5
    preds, fixations, others = random_maps(seed, images, levels), random_fixations(seed, images), counts(seed, images)
    target = DensityMap(random_maps(seed + 1, images))
    whole = all_metrics(preds, fixations, others, target)
    points = [torch.stack([fixations.x, fixations.y], 1)[fixations.image == i].flip(0) for i in range(images)]
    for part in ([3], [4, 0], [1, 2]):
        again = all_metrics(
            preds[part],
            FixationBatch.from_points([points[i] for i in part]),
            FixationMap(others.counts[part]),
            DensityMap(target.values[part]),
        )
        equal(again, [value[part] for value in whole])


@pytest.mark.usefixtures("plain")
def test_chunks_do_not_matter_and_densities_agree_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps larger than what is handled at a time: the values of one chunk; no rounding depends on the batch."""
    preds, fixations, others = random_maps(3, 4, levels=50), random_fixations(3, 4), counts(3, 4)
    target = DensityMap(random_maps(4, 4))
    whole = all_metrics(preds, fixations, others, target)
    monkeypatch.setattr(chunks, "PIXELS", 50)  # of 126: three chunks, the last shorter
    parted = all_metrics(preds, fixations, others, target)
    equal(parted, whole)
    assert not all(torch.equal(a, b) for a, b in zip(parted[8:11], whole[8:11], strict=True))  # sums in another order
    for part in ([3], [2, 0]):
        for function, together in zip((metrics.sim, metrics.cc, metrics.kl_div), parted[8:11], strict=True):
            assert torch.equal(function(preds[part], DensityMap(target.values[part])), together[part])


def test_one_pass_gives_what_three_give() -> None:
    preds, target = random_maps(5), DensityMap(random_maps(6))
    options = {"sim": {"normalization": "minmax"}, "kld": {"eps": 0, "offset": 1e-3}, "cc": {"nan_for_constant": True}}
    together = metrics.against_density(preds, target, options)
    assert list(together) == list(options)
    assert torch.equal(together["sim"], metrics.sim(preds, target, **options["sim"]))
    assert torch.equal(together["kld"], metrics.kl_div(preds, target, **options["kld"]))
    assert torch.equal(together["cc"], metrics.cc(preds, target, **options["cc"]))
    assert metrics.against_density(preds, target, {}) == {}


def test_the_same_call_gives_the_same_bits() -> None:
    preds, fixations, others = random_maps(1, levels=5), random_fixations(1), counts(1)
    target = DensityMap(random_maps(2))
    runs = [all_metrics(preds, fixations, others, target) for _ in range(3)]
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


@pytest.mark.parametrize("value", [0.0, 0.5, 0.1, -3.0, 1e300])
def test_constant_predictions(value: float) -> None:
    preds = torch.full((2, *SIZE), value, dtype=torch.float64)
    fixations, target, others = random_fixations(1), DensityMap(random_maps(2)), counts(1)
    uniform = torch.ones(2, *SIZE, dtype=torch.float64)
    half, zero = torch.full((2,), 0.5, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    equal(rank_metrics(preds, fixations, others), [half, half, half, half, half])
    equal([metrics.nss(preds, fixations), metrics.cc(preds, target)], [zero, zero])
    equal(
        [metrics.sim(preds, target), metrics.kl_div(preds, target)],
        [metrics.sim(uniform, target), metrics.kl_div(uniform, target)],
    )
    equal([metrics.information_gain(preds, fixations)], [zero])
    for function in (metrics.nss, metrics.auc, metrics.auc_judd):
        assert function(preds, fixations, nan_for_constant=True).isnan().all()
    for function in (metrics.sim, metrics.cc, metrics.kl_div):
        assert function(preds, target, nan_for_constant=True).isnan().all()
    assert metrics.cc(uniform, DensityMap(uniform)).isnan().all()
    assert metrics.auc_borji(preds, fixations).isnan().all()
    assert metrics.sampled_shuffled_auc(preds, fixations, others).isnan().all()
    equal([metrics.sampled_shuffled_auc(preds, fixations, others, nan_for_constant=False)], [half])


def test_perfect_and_opposite_predictions() -> None:
    target = DensityMap(random_maps(3))
    one, zero = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    equal([metrics.sim(target.values, target), metrics.cc(target.values, target)], [one, one])
    equal([metrics.kl_div(target.values, target)], [zero])
    equal([metrics.cc(-target.values, target)], [-one])


def test_images_without_fixations_are_nan_and_leave_the_others_alone() -> None:
    preds, others, target = random_maps(4, 3), counts(4, 3), DensityMap(random_maps(5, 3))
    own = random_fixations(4, 1)
    points = [torch.zeros(0, 2), torch.stack([own.x, own.y], 1), torch.zeros(0, 2)]
    scores = all_metrics(preds, FixationBatch.from_points(points), others, target)
    at_fixations = [s for i, s in enumerate(scores) if i not in (8, 9, 10)]
    assert all(s[[0, 2]].isnan().all() and not s[1].isnan() for s in at_fixations)
    nobody = FixationBatch.from_points([torch.zeros(0, 2)] * 3)
    assert all(s.isnan().all() for i, s in enumerate(all_metrics(preds, nobody, others, target)) if i not in (8, 9, 10))


def test_every_pixel_fixated_leaves_judd_no_negatives() -> None:
    rows, columns = np.indices(SIZE)
    everywhere = FixationBatch.from_points([torch.from_numpy(np.stack([columns.ravel(), rows.ravel()], 1))])
    preds = random_maps(6, 1)
    equal([metrics.auc(preds, everywhere)], [torch.tensor([0.5], dtype=torch.float64)])
    assert metrics.auc_judd(preds, everywhere).isnan().all()
    assert metrics.auc(preds, everywhere, nonfixations="unfixated").isnan().all()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("cells", [1, 2, 64, 1 << 14])
@pytest.mark.parametrize("kind", ["uniform", "peaked", "tiny", "levels", "denormal", "huge"])
def test_ranks_do_not_depend_on_the_table(monkeypatch: pytest.MonkeyPatch, cells: int, kind: str) -> None:
    """The table of cells is a short cut: with any number of cells, on maps of any shape, counts are exact."""
    monkeypatch.setattr(ranks, "CELLS", cells)
    values = torch.rand(2, 500, dtype=torch.float64, generator=generator(0))
    values = {
        "uniform": values,
        "peaked": values**40,
        "tiny": 1 + values * 2e-14,
        "levels": (values * 4).floor(),
        "denormal": values * 5e-322,
        "huge": (values - 0.5) * 1e308,
    }[kind]
    at = values[:, :37].contiguous()
    mask = torch.arange(37) < torch.tensor([[37], [20]])
    weights = torch.randint(0, 4, (2, 500), generator=generator(1), dtype=torch.int32)
    table = ranks.Ranks(values, values.amin(1), values.amax(1), at, mask)
    for weight in (None, weights):
        below, level, total = table.weigh(weight)
        factor = torch.ones(2, 500) if weight is None else weight
        expected_below = ((values[:, None] < at[:, :, None]) * factor[:, None]).sum(2).double()
        expected_level = ((values[:, None] == at[:, :, None]) * factor[:, None]).sum(2).double()
        assert torch.equal(total, factor.sum(1).double())
        assert torch.equal(below[mask], expected_below[mask])
        assert torch.equal(level[mask], expected_level[mask])


def test_a_million_nonfixations_are_counted_exactly() -> None:
    preds, fixations = random_maps(7), random_fixations(7)
    many = FixationMap(counts(7).counts.to(torch.int32) * 1_000_003)
    equal([metrics.shuffled_auc(preds, fixations, many)], [metrics.shuffled_auc(preds, fixations, counts(7))])


def test_draws_depend_on_seed_and_index_alone() -> None:
    preds, fixations, others = random_maps(8, 3), random_fixations(8, 3), counts(8, 3)
    index = torch.tensor([5, 6, 7])
    first = metrics.auc_borji(preds, fixations, index=index)
    assert torch.equal(metrics.auc_borji(preds, fixations, index=index), first)
    assert not torch.equal(metrics.auc_borji(preds, fixations, index=index, seed=1), first)
    assert not torch.equal(metrics.auc_borji(preds, fixations, index=index + 1), first)
    one = FixationBatch(
        *(t[fixations.image == 1] for t in (fixations.x, fixations.y)),
        torch.zeros(int((fixations.image == 1).sum()), dtype=torch.int64),
        1,
    )
    assert torch.equal(metrics.auc_borji(preds[1:2], one, index=index[1:2]), first[1:2])
    shuffled = metrics.sampled_shuffled_auc(preds, fixations, others, splits=5, index=index)
    part = metrics.sampled_shuffled_auc(preds[1:2], one, FixationMap(others.counts[1:2]), splits=5, index=index[1:2])
    assert torch.equal(part, shuffled[1:2])


def test_wrong_ground_truth_is_refused() -> None:
    preds, fixations, target = random_maps(9), random_fixations(9), DensityMap(random_maps(9))
    for function in (metrics.sim, metrics.cc, metrics.kl_div):
        for wrong in (fixations, counts(9), target.values, None):
            with pytest.raises(TypeError, match="pass a DensityMap"):
                function(preds, wrong)
    for function in (metrics.nss, metrics.auc, metrics.auc_judd, metrics.information_gain, metrics.auc_borji):
        for wrong in (target, counts(9), target.values, None):
            with pytest.raises(TypeError, match="pass a FixationBatch"):
                function(preds, wrong)
    with pytest.raises(TypeError, match="must be a FixationMap"):
        metrics.shuffled_auc(preds, fixations, target)
    with pytest.raises(TypeError, match="must be a tensor"):
        metrics.nss(preds.numpy(), fixations)


def test_wrong_shapes_and_values_are_refused() -> None:
    preds, fixations, target = random_maps(10), random_fixations(10), DensityMap(random_maps(10))
    with pytest.raises(ValueError, match="resize the prediction"):
        metrics.cc(preds[:, :-1], target)
    with pytest.raises(ValueError, match="resize the prediction"):
        metrics.cc(preds[:1], target)
    with pytest.raises(ValueError, match="real maps"):
        metrics.nss(preds[:, None], fixations)
    with pytest.raises(ValueError, match="fixations of 2 images"):
        metrics.nss(preds[:1], fixations)
    with pytest.raises(ValueError, match="lie outside the image"):
        metrics.auc(preds[:, :, :4], fixations)
    with pytest.raises(ValueError, match="nonfixations have"):
        metrics.shuffled_auc(preds, fixations, FixationMap(counts(1).counts[:, :-1]))
    with pytest.raises(ValueError, match="baseline has shape"):
        metrics.information_gain(preds, fixations, preds[:, 1:])
    for bad in (torch.nan, torch.inf, -torch.inf):
        broken = preds.clone()
        broken[1, 2, 3] = bad
        with pytest.raises(ValueError, match=r"preds of images \[1\] in the batch hold NaN or infinity"):
            metrics.auc(broken, fixations)
        with pytest.raises(ValueError, match=r"target of images \[1\]"):
            metrics.sim(preds, DensityMap(broken))
    for options in ({"step": 0.0}, {"step": 2.0}, {"splits": 0}):
        with pytest.raises(ValueError, match="must"):
            metrics.auc_borji(preds, fixations, **options)
    with pytest.raises(ValueError, match="closed form"):
        metrics.auc_judd(preds, fixations, unique=False)
    for function, option in ((metrics.auc_judd, "ties"), (metrics.auc, "nonfixations")):
        with pytest.raises(ValueError, match=f"{option} must be"):
            function(preds, fixations, **{option: "other"})


def test_integer_and_half_maps_keep_their_values() -> None:
    maps = (random_maps(11) * 255).to(torch.uint8)
    fixations, others, target = random_fixations(11), counts(11), DensityMap(maps.flip(2))
    expected = all_metrics(maps.double(), fixations, others, target)
    for dtype in (torch.uint8, torch.int32, torch.float16, torch.bfloat16, torch.float32):
        equal(all_metrics(maps.to(dtype), fixations, others, target), expected, tolerance=0)


def test_pool_refuses_bad_points_and_indices() -> None:
    with pytest.raises(ValueError, match="outside their image"):
        Nonfixations([torch.tensor([[4.0, 0.0]])], [(4, 4)])
    with pytest.raises(ValueError, match="outside their image"):
        Nonfixations([torch.tensor([[torch.nan, 0.0]])], [(4, 4)])
    with pytest.raises(ValueError, match="2 sizes"):
        Nonfixations([torch.zeros(1, 2)], [(4, 4), (4, 4)])
    pool = Nonfixations([torch.zeros(1, 2)], [(4, 4)])
    with pytest.raises(ValueError, match=r"\[-1, 1\)"):
        pool.others(torch.tensor([1]), (4, 4))


def test_pool_options() -> None:
    wh = torch.tensor([SIZE[1], SIZE[0]], dtype=torch.float64)
    points = [torch.rand(6, 2, dtype=torch.float64, generator=generator(i)) * wh for i in range(30)]
    points[3] = points[4]  # image 3's fixations coincide with those of image 4
    pool = Nonfixations(points, [SIZE] * 30)
    everything = pool.others(torch.tensor([-1]), SIZE).counts
    assert everything.sum() == 180
    assert pool.others(torch.tensor([3, 0]), SIZE).counts.sum(dim=(1, 2)).tolist() == [174, 174]
    own = FixationMap.from_fixations(FixationBatch.from_points([points[3]]), SIZE).counts[0] > 0
    dropped = pool.others(torch.tensor([3]), SIZE, drop_own_pixels=True).counts[0]
    assert pool.others(torch.tensor([3]), SIZE).counts[0][own].min() >= 1
    assert not dropped[own].any()
    assert torch.equal(dropped[~own], everything[0][~own])
    few = pool.of_random_images(torch.tensor([0, 1, 0]), SIZE, images=4)
    assert set(few.counts.unique().tolist()) == {0, 1}
    assert torch.equal(few.counts[0], few.counts[2])
    assert not torch.equal(few.counts[0], few.counts[1])
    all_others = pool.of_random_images(torch.tensor([0, -1]), SIZE, images=99).counts
    assert torch.equal(all_others[0], (pool.others(torch.tensor([0]), SIZE).counts[0] > 0).int())
    assert torch.equal(all_others[1], (everything[0] > 0).int())


def test_random_images_are_chosen_evenly() -> None:
    """Each image with one pixel of its own: over many images, every other image is drawn about equally often."""
    pool = Nonfixations([torch.tensor([[float(i), 0.0]]) for i in range(40)], [(1, 40)] * 40)
    drawn = pool.of_random_images(torch.arange(40).repeat(1), (1, 40), images=10).counts[:, 0].double()
    for seed in range(1, 50):
        drawn += pool.of_random_images(torch.arange(40), (1, 40), images=10, seed=seed).counts[:, 0]
    assert not drawn.diagonal().any()
    assert torch.equal(drawn.sum(dim=1), torch.full((40,), 500.0, dtype=torch.float64))
    share = drawn.sum(dim=0) / (39 * 50)
    assert (share - 10 / 39).abs().max() < 5 * (10 / 39 * 29 / 39 / (39 * 50)) ** 0.5


def test_points_are_sorted_and_padded() -> None:
    fixations = FixationBatch.from_points(
        [torch.tensor([[5.9, 1.0], [0.0, 0.0], [5.0, 1.2]]), torch.tensor([[1.0, 0.0]])]
    )
    points = Points.of(fixations, SIZE)
    assert points.pixel.tolist() == [[0, 19, 19], [1, 0, 0]]
    assert points.mask.tolist() == [[True, True, True], [True, False, False]]
    assert points.first.tolist() == [[True, True, False], [True, False, False]]


def test_a_fixated_value_at_the_end_of_its_cell() -> None:
    """Two fixated values share a cell; the next number above the second lies in the next cell, which holds none."""
    last = torch.tensor(0.5, dtype=torch.float64).nextafter(torch.tensor(0.0, dtype=torch.float64)).item()
    original, ranks.CELLS = ranks.CELLS, 3  # cells [0, 0.5), [0.5, 1), {1}
    try:
        values = torch.tensor([[0.0, 0.2, last, last, 0.5, 1.0]], dtype=torch.float64)
        at = torch.tensor([[0.2, last]], dtype=torch.float64)
        below, level, _ = ranks.Ranks(values, values.amin(1), values.amax(1), at, torch.ones(1, 2).bool()).weigh()
    finally:
        ranks.CELLS = original
    assert below.tolist() == [[1, 2]]
    assert level.tolist() == [[1, 2]]


def test_random_numbers_are_splitmix64() -> None:
    """First numbers of the published generator from seed 1234567, and a uniform spread over counters and indices."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    state = torch.tensor(1234567) + torch.arange(4) * draws._GAMMA
    assert [value % 2**64 for value in draws._mix(state).tolist()] == published
    for numbers in (
        draws.uniform(0, torch.tensor(3), torch.arange(100_000)),
        draws.uniform(0, torch.arange(100_000), torch.tensor(0)),
    ):
        expected = 100_000 / 64
        chi_square = ((torch.histc(numbers, 64, 0, 1) - expected) ** 2 / expected).sum().item()
        assert 25 < chi_square < 120  # 63 degrees of freedom
        assert 0 <= numbers.min() < numbers.max() < 1


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
def test_a_scale_near_the_ends_of_the_number_range_does_not_matter(scale: float) -> None:
    preds, fixations, others = random_maps(1).double(), random_fixations(1), counts(1)
    target = DensityMap(random_maps(2).double())
    tiny = DensityMap(target.values * scale)
    equal(all_metrics(preds * scale, fixations, others, tiny), all_metrics(preds, fixations, others, target), 1e-9)
    together = torch.stack([preds[0] * scale, preds[1]])  # one of a batch
    equal([metrics.cc(together, target)], [metrics.cc(preds, target)], 1e-9)
    offset = {"offset": 1e-20}
    plain = metrics.kl_div(Maps(preds * 2.0**-390), target, **offset)  # all of it is the offset
    equal([metrics.kl_div(Maps(preds * 2.0**-410), target, **offset)], [plain], 1e-9)

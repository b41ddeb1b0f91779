"""SaliencyMetrics and single metrics: the function of each profile, one row per image, means over images."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from explainsal import metrics
from explainsal.classical.center_bias import LeaveOneOutCenterBias
from explainsal.functional import metrics as functional
from explainsal.functional.metrics import Nonfixations
from explainsal.metrics import METRICS, PROFILES, SaliencyMetrics, get_profile
from explainsal.metrics.emd import emd
from explainsal.types import DensityMap, FixationBatch, FixationMap

SIZE = (12, 17)
IMAGES = 7
WH = torch.tensor([SIZE[1], SIZE[0]], dtype=torch.float64)


class Data:
    """Build a tiny data set; image 4 has no fixations."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(5)
        self.preds = torch.rand(IMAGES, *SIZE, generator=generator)
        self.density = torch.rand(IMAGES, *SIZE, generator=generator)
        counts = [5, 9, 3, 20, 0, 8, 6]
        self.points = [torch.rand(n, 2, dtype=torch.float64, generator=generator) * WH for n in counts]
        self.pool = Nonfixations(self.points, [SIZE] * IMAGES)

    def batch(self, images: list[int]) -> dict[str, object]:
        return {
            "preds": self.preds[images],
            "fixations": FixationBatch.from_points([self.points[i] for i in images]),
            "density": DensityMap(self.density[images]),
            "index": torch.tensor(images),
        }


def center_bias(size: tuple[int, int], index: Tensor | None = None) -> Tensor:
    rows, columns = torch.linspace(-1, 1, size[0]), torch.linspace(-1, 1, size[1])
    return torch.exp(-(rows[:, None] ** 2) - columns**2)


@pytest.fixture
def data() -> Data:
    return Data()


def filled(data: Data, batches: list[list[int]], profile: str = "tuebingen") -> SaliencyMetrics:
    result = SaliencyMetrics(profile, METRICS, data.pool, center_bias)
    for images in batches:
        result.update(**data.batch(images))
    return result


def test_tuebingen_is_the_functions_with_their_defaults(data: Data) -> None:
    table = filled(data, [list(range(IMAGES))]).per_image()
    fixations, density = FixationBatch.from_points(data.points), DensityMap(data.density)
    index = torch.arange(IMAGES)
    expected = {
        "sim": functional.sim(data.preds, density),
        "cc": functional.cc(data.preds, density),
        "kld": functional.kl_div(data.preds, density),
        "nss": functional.nss(data.preds, fixations),
        "auc": functional.auc(data.preds, fixations),
        "auc_judd": functional.auc_judd(data.preds, fixations),
        "auc_borji": functional.auc_borji(data.preds, fixations, index=index),
        "sauc": functional.shuffled_auc(data.preds, fixations, data.pool.others(index, SIZE)),
        "ig": functional.information_gain(data.preds, fixations, center_bias(SIZE)[None]),
        "ll": functional.log_likelihood(data.preds, fixations),
        "emd": emd(data.preds, density),
    }
    assert list(table.columns) == ["index", *METRICS]
    for name, values in expected.items():
        np.testing.assert_array_equal(table[name], values.numpy(), err_msg=name)


def test_mit2016_is_the_code_of_the_mit_benchmark(data: Data) -> None:
    table = filled(data, [list(range(IMAGES))], "mit2016").per_image()
    fixations, density = FixationBatch.from_points(data.points), DensityMap(data.density)
    index, eps = torch.arange(IMAGES), 2.0**-52
    unions = data.pool.of_random_images(index, SIZE, images=10)
    expected = {
        "sim": functional.sim(data.preds, density, normalization="minmax"),
        "cc": functional.cc(data.preds, density),
        "kld": functional.kl_div(data.preds, density, normalization="raw", eps=eps),
        "nss": functional.nss(data.preds, fixations, unique=True, ddof=1),
        "auc_judd": functional.auc_judd(data.preds, fixations),
        "auc_borji": functional.auc_borji(data.preds, fixations, splits=100, step=0.1, index=index),
        "sauc": functional.sampled_shuffled_auc(data.preds, fixations, unions, index=index),
        "ig": functional.information_gain(
            data.preds, fixations, center_bias(SIZE)[None], normalization="minmax", eps=eps, unique=True
        ),
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(table[name], values.numpy(), err_msg=name)


def test_salicon_differs_from_tuebingen_in_sauc_alone(data: Data) -> None:
    ours, theirs = filled(data, [[0, 1, 2, 3, 4]], "salicon").per_image(), filled(data, [[0, 1, 2, 3, 4]]).per_image()
    assert [c for c in ours.columns if not ours[c].equals(theirs[c])] == ["sauc"]
    fixations = FixationBatch.from_points(data.points[:5])
    others = data.pool.others(torch.arange(5), SIZE, drop_own_pixels=True)
    expected = functional.sampled_shuffled_auc(
        data.preds[:5], fixations, others, splits=None, step=0.01, unique=False, drop_maximum=True
    )
    np.testing.assert_array_equal(ours["sauc"], expected.numpy())


@pytest.mark.parametrize("profile", PROFILES)
def test_a_density_of_zeros_counts_in_no_metric_against_it(data: Data, profile: str) -> None:
    expected = filled(data, [[0, 1, 2]], profile).compute()
    data.density[3] = 0
    metrics = filled(data, [[0, 1, 2, 3]], profile)
    for name in ("sim", "cc", "kld", "emd"):
        assert metrics.compute()[name] == expected[name]
        assert metrics.undefined()[name] == 1
    assert metrics.undefined()["nss"] == 0  # it has fixations


def test_an_image_without_ground_truth_counts_in_no_metric(data: Data) -> None:
    data.density[4] = 0  # the blurred map of an image without fixations
    metrics = filled(data, [list(range(IMAGES))])
    assert metrics.undefined() == dict.fromkeys(METRICS, 1)
    assert metrics.per_image().set_index("index").loc[4].isna().all()


def test_constant_maps_under_each_profile(data: Data) -> None:
    data.preds = torch.full_like(data.preds, 0.3)
    half = {"auc": 0.5, "auc_judd": 0.5, "sauc": 0.5, "nss": 0.0, "cc": 0.0}
    for profile, defined in (("tuebingen", True), ("salicon", True), ("mit2016", False)):
        result = filled(data, [[0, 1]], profile).compute()
        for name in METRICS:
            value = result[name].item()
            assert np.isnan(value) == (not defined or name == "auc_borji"), (profile, name)
            assert np.isnan(value) or value == half.get(name, value)


@pytest.mark.parametrize(
    "batches",
    [
        [[0], [1], [2], [3], [4], [5], [6]],
        [[6, 2], [4, 5, 0], [3, 1]],
        [[0, 1, 2], [3, 4, 5], [6, 0, 1]],  # padded by a sampler
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_batches_order_and_repeats_do_not_matter(data: Data, batches: list[list[int]], profile: str) -> None:
    whole, parts = filled(data, [list(range(IMAGES))], profile), filled(data, batches, profile)
    np.testing.assert_allclose(parts.per_image(), whole.per_image(), rtol=1e-12, atol=1e-13)
    for name, value in whole.compute().items():
        torch.testing.assert_close(parts.compute()[name], value, rtol=1e-12, atol=1e-13)


def test_same_batches_in_another_order_give_the_same_bits(data: Data) -> None:
    batches = [[0, 1], [2, 3], [4, 5, 6]]
    assert filled(data, batches).compute() == filled(data, batches[::-1]).compute()


def test_mean_leaves_undefined_images_out_and_counts_them(data: Data) -> None:
    result = filled(data, [list(range(IMAGES))])
    table = result.per_image()
    assert np.isnan(table["nss"][4])
    assert result.compute()["nss"].item() == pytest.approx(np.nanmean(table["nss"]), abs=1e-15)
    assert result.undefined() == {name: int(name in AT_FIXATIONS) for name in METRICS}


AT_FIXATIONS = {"nss", "auc", "auc_judd", "sauc", "ig", "auc_borji", "ll"}


def test_missing_ground_truth_is_undefined_not_zero(data: Data) -> None:
    result = SaliencyMetrics(names=["cc", "nss"])
    batch = data.batch([0, 1])
    result.update(batch["preds"], density=batch["density"], index=batch["index"])
    means = result.compute()
    assert means["nss"].isnan()
    assert not means["cc"].isnan()


def test_which_metrics() -> None:
    data = Data()
    assert SaliencyMetrics().columns == ("sim", "cc", "nss", "kld", "auc", "auc_judd")
    assert SaliencyMetrics(nonfixations=data.pool).columns == ("sim", "cc", "nss", "kld", "auc", "auc_judd", "sauc")
    complete = SaliencyMetrics(nonfixations=data.pool, center_bias=center_bias)
    assert complete.columns == get_profile("tuebingen").metrics
    assert "auc_borji" in SaliencyMetrics("mit2016").columns
    for name, needs in (("sauc", "nonfixations"), ("ig", "center_bias")):
        with pytest.raises(ValueError, match=f"{name} needs {needs}"):
            SaliencyMetrics(names=[name])
    with pytest.raises(ValueError, match="unknown metrics"):
        SaliencyMetrics(names=["f1"])
    with pytest.raises(ValueError, match="tuebingen, mit2016, salicon"):
        SaliencyMetrics("mit")


def test_options_change_the_value_and_the_name(data: Data) -> None:
    changed = SaliencyMetrics("mit2016", ["nss"], options={"nss": {"ddof": 0}})
    changed.update(**data.batch([0, 1]))
    fixations = FixationBatch.from_points(data.points[:2])
    expected = functional.nss(data.preds[:2], fixations, unique=True, nan_for_constant=True)
    np.testing.assert_array_equal(changed.per_image()["nss"], expected)
    assert changed.profile.name == "mit2016, nss.ddof=0"
    assert get_profile("mit2016").name == "mit2016"
    assert get_profile("mit2016").of("nss")["ddof"] == 1
    with pytest.raises(ValueError, match="unknown metrics"):
        SaliencyMetrics(options={"mae": {}})


def test_an_index_of_the_batch_instead_of_the_data_set_is_noticed(data: Data) -> None:
    result = SaliencyMetrics(names=["cc", "nss"])
    for images in ([0, 1], [2, 3]):
        result.update(**(data.batch(images) | {"index": torch.arange(2)}))
    with pytest.raises(ValueError, match="position in the data set"):
        result.compute()
    with pytest.raises(ValueError, match="index must have shape"):
        result.update(**(data.batch([0, 1]) | {"index": torch.arange(3)}))


def test_wrong_types_are_refused(data: Data) -> None:
    batch = data.batch([0, 1])
    with pytest.raises(TypeError, match="FixationBatch"):
        filled(data, []).update(batch["preds"], fixations=batch["density"], index=batch["index"])
    with pytest.raises(TypeError, match="DensityMap"):
        filled(data, []).update(batch["preds"], density=batch["fixations"], index=batch["index"])


def test_reset_clone_pickle(data: Data) -> None:
    result = filled(data, [[0, 1, 2]])
    for twin in (result.clone(), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        twin.update(**data.batch([3]))
        assert len(twin.per_image()) == 4
    assert len(result.per_image()) == 3
    assert result.clone().nonfixations is data.pool
    result.reset()
    result.update(**data.batch([6]))
    assert result.per_image()["index"].tolist() == [6]


def test_forward_returns_the_batch_and_keeps_all(data: Data) -> None:
    result = SaliencyMetrics(names=["cc"])
    first, second = result(**data.batch([0, 1])), result(**data.batch([2]))
    density = DensityMap(data.density[:3])
    expected = functional.cc(data.preds[:3], density)
    assert first["cc"].item() == pytest.approx(expected[:2].mean().item(), abs=1e-15)
    assert second["cc"].item() == pytest.approx(expected[2].item(), abs=1e-15)
    assert result.compute()["cc"].item() == pytest.approx(expected.mean().item(), abs=1e-15)


def test_nothing_seen() -> None:
    result = SaliencyMetrics(names=["cc"])
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert result.compute()["cc"].isnan()
    assert result.per_image().empty


@pytest.mark.parametrize("profile", PROFILES)
def test_single_metrics_are_columns_of_the_collection(data: Data, profile: str) -> None:
    expected = filled(data, [list(range(IMAGES))], profile).compute()
    at_fixations = {
        metrics.NSS: {},
        metrics.AUC: {},
        metrics.AUCJudd: {},
        metrics.AUCBorji: {},
        metrics.ShuffledAUC: {"nonfixations": data.pool},
        metrics.InformationGain: {"center_bias": center_bias},
    }
    for kind in (metrics.SIM, metrics.CC, metrics.KLDiv, *at_fixations):
        metric = kind(profile=profile, **at_fixations.get(kind, {}))
        for images in ([0, 1, 2, 3], [4, 5, 6]):
            batch = data.batch(images)
            target = batch["fixations"] if kind in at_fixations else batch["density"]
            metric.update(batch["preds"], target, index=batch["index"])
        torch.testing.assert_close(metric.compute(), expected[kind.column], rtol=1e-12, atol=1e-13)
        assert metric.higher_is_better == metrics.HIGHER_IS_BETTER[kind.column]


def test_a_single_metric_takes_options(data: Data) -> None:
    metric = metrics.NSS(options={"unique": True})
    batch = data.batch([0])
    metric.update(batch["preds"], batch["fixations"], index=batch["index"])
    assert metric.profile.name == "tuebingen, nss.unique=True"


def everything(data: Data) -> dict[str, metrics.SaliencyMetrics]:
    return {
        "cc": metrics.CC(), "sim": metrics.SIM(), "kld": metrics.KLDiv(), "emd": metrics.EMD(), "nss": metrics.NSS(),
        "auc": metrics.AUC(), "auc_judd": metrics.AUCJudd(), "auc_borji": metrics.AUCBorji("mit2016"),
        "ll": metrics.LogLikelihood(), "ig": metrics.InformationGain(center_bias),
    }  # fmt: skip


def test_every_metric_is_called_as_torchmetrics_are(data: Data) -> None:
    for name, metric in everything(data).items():
        updated = metric.clone()
        values = []
        for images in ([0, 1], [2, 3]):
            batch = data.batch(images)
            target = batch["density" if name in ("cc", "sim", "kld", "emd") else "fixations"]
            values.append(metric(batch["preds"].unsqueeze(1), target))
            updated.update(batch["preds"], target)
        torch.testing.assert_close(metric.compute(), torch.stack(values).mean(), rtol=1e-12, atol=1e-12)
        assert torch.equal(metric.compute(), updated.compute()), name  # random negatives, too
        assert metric.per_image()["index"].tolist() == [0, 1, 2, 3]
        metric.reset()
        again = data.batch([0, 1])
        target = again["density" if name in ("cc", "sim", "kld", "emd") else "fixations"]
        assert torch.equal(metric(again["preds"], target), values[0])


def test_a_collection_takes_both_ground_truths_by_name(data: Data) -> None:
    batch = data.batch([0, 1, 2])
    found = MetricCollection(everything(data))(
        batch["preds"], density=batch["density"].values, fixations=batch["fixations"]
    )
    for name, metric in everything(data).items():
        assert found[name] == metric(
            batch["preds"], batch["density" if name in ("cc", "sim", "kld", "emd") else "fixations"]
        )
    one = MetricCollection({"all": SaliencyMetrics(names=["cc", "nss"])})
    assert one(batch["preds"], fixations=batch["fixations"], density=batch["density"])["cc"] == found["cc"]


def test_metrics_of_a_collection_stay_apart_whose_first_batch_agrees(data: Data) -> None:
    together = MetricCollection({"sim": metrics.SIM(), "other": metrics.SIM(options={"normalization": "minmax"})})
    perfect, batch = data.density[:2], data.batch([2, 3])
    together.update(perfect, perfect)  # 1 in both
    together.update(batch["preds"], batch["density"].values)
    last = functional.sim(batch["preds"], batch["density"], normalization="minmax")
    assert together.compute()["other"] == pytest.approx(float((2 + last.sum()) / 4))
    assert together.compute()["other"] != together.compute()["sim"]


def test_plain_tensors_where_they_mean_one_thing(data: Data) -> None:
    batch = data.batch([0, 1, 2])
    fixated = FixationMap.from_fixations(batch["fixations"], SIZE)
    expected = metrics.NSS()(batch["preds"], batch["fixations"])
    for target in (fixated, fixated.counts, fixated.counts[:, None], [data.points[i] for i in (0, 1, 2)]):
        torch.testing.assert_close(metrics.NSS()(batch["preds"], target), expected)
    assert metrics.AUC()(batch["preds"], fixated.counts > 0) > 0
    bytes_ = (255 * data.density[:3]).byte()
    assert metrics.CC()(batch["preds"], bytes_[:, None]) == metrics.CC()(batch["preds"], DensityMap(bytes_))


@pytest.mark.parametrize(("call", "message"), [
    (lambda m, d: m.CC()(d.preds, d.density > 0.5), "may be a fixation map"),
    (lambda m, d: m.CC()(d.preds, (9 * d.density).long()), "may be a fixation map"),
    (lambda m, d: m.NSS()(d.preds, d.density), "may be a density"),
    (lambda m, d: m.NSS()(d.preds, (255 * d.density).byte()), "may be a density"),
    (lambda m, d: m.CC()(d.preds), "ground truth once"),
    (lambda m, d: m.CC()(d.preds, d.density, density=d.density), "ground truth once"),
    (lambda m, d: m.CC()(d.preds, FixationBatch.from_points(d.points)), "must be a DensityMap, got FixationBatch"),
])  # fmt: skip
def test_what_may_mean_something_else_is_refused(data: Data, call, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(metrics, data)


def test_metrics_that_need_positions_say_so(data: Data) -> None:
    batch = data.batch([0, 1])
    with pytest.raises(ValueError, match="sauc .*give index"):
        metrics.ShuffledAUC(data.pool)(batch["preds"], batch["fixations"])
    others = LeaveOneOutCenterBias(data.points, [SIZE] * IMAGES)
    with pytest.raises(ValueError, match="leave-one-out .*give index"):
        metrics.InformationGain(others.density)(batch["preds"], batch["fixations"])
    mixed = metrics.CC()
    mixed.update(batch["preds"], batch["density"], index=batch["index"])
    mixed.update(batch["preds"], batch["density"])
    with pytest.raises(ValueError, match="in every update or in none"):
        mixed.compute()


def test_which_way_is_better_is_said_once() -> None:
    assert tuple(metrics.HIGHER_IS_BETTER) == METRICS
    assert [name for name, higher in metrics.HIGHER_IS_BETTER.items() if not higher] == ["kld", "emd"]

"""Named splits against the stored ones, and what cross-validation promises."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explainsal.data.splits import cross_validation, held_out, msinet, msinet_cat2000, natural_key, pysaliency, unisal
from explainsal.errors import UserError


@pytest.fixture(scope="module")
def mit1003(shared):
    folder = shared / "fixtures" / "datasets"
    with (folder / "mit1003_names_sizes.csv").open() as file:
        names = sorted(row["stem"] for row in csv.DictReader(file))
    return names, json.loads((folder / "mit1003_splits.json").read_text())


def test_unisal_s_ten_folds(mit1003):
    names, stored = mit1003
    for fold, expected in enumerate(stored["unisal_seed27_10fold_val"]):
        parts = unisal(names, fold)
        assert {names[i] for i in parts["val"]} == set(expected)
        assert sorted(parts["train"] + parts["val"]) == list(range(1003))
    assert len(unisal(names, 0)["train"]) == 903


def test_what_is_held_out_is_what_unisal_s_published_weights_have_not_seen(mit1003):
    names, stored = mit1003
    parts = held_out(names, 0)
    assert {names[i] for i in parts["test"]} == set(stored["unisal_seed27_10fold_val"][0])
    assert {names[i] for i in parts["val"]} == set(stored["unisal_seed27_10fold_val"][1])
    assert sorted(parts["train"] + parts["val"] + parts["test"]) == list(range(1003))
    with pytest.raises(UserError, match="data.fold=1: this split has no folds"):
        held_out(names, 1)


def test_msinet_s_split_in_any_order_of_the_files(mit1003):
    names, stored = mit1003
    shuffled = list(np.random.default_rng(0).permutation(names))
    parts = msinet(1003, 200)(shuffled, 0)
    assert {shuffled[i] for i in parts["val"]} == set(stored["msinet_seed42_val200"])
    assert len(parts["train"]) == 803


def test_pysaliency_s_folds(mit1003):
    names, _ = mit1003
    parts = [pysaliency(names, fold) for fold in range(10)]
    assert [len(p["test"]) for p in parts] == [101] * 9 + [94]
    assert sorted(i for p in parts for i in p["test"]) == list(range(1003))
    assert all(p["val"] == parts[k - 1]["test"] for k, p in enumerate(parts))
    assert all(sorted(p["train"] + p["val"] + p["test"]) == list(range(1003)) for p in parts)
    order = np.arange(1003)
    np.random.RandomState(42).shuffle(order)
    in_natural_order = sorted(names, key=natural_key)
    assert {names[i] for i in parts[0]["test"]} == {in_natural_order[i] for i in order[:101]}


def test_msinet_takes_the_same_places_of_every_category():
    ids = [f"{category:02d}/{number:03d}" for category in range(20) for number in range(1, 101)]
    parts = msinet_cat2000(ids, 0)
    assert (len(parts["train"]), len(parts["val"])) == (1600, 400)
    places = [{ids[i].split("/")[1] for i in parts["val"] if ids[i].startswith(f"{c:02d}")} for c in range(20)]
    assert all(p == places[0] for p in places)


def test_an_incomplete_data_set_has_no_named_split():
    with pytest.raises(UserError, match=r"all 1003 images, but 2 exist.*data\.fold=0"):
        unisal(["a", "b"], 0)
    with pytest.raises(UserError, match="no folds"):
        msinet(2, 1)(["a", "b"], 3)
    with pytest.raises(UserError, match="numbered 0 to 9"):
        unisal([str(i) for i in range(1003)], 10)


@given(st.integers(3, 60), st.data())
@settings(max_examples=60, deadline=None)
def test_every_image_is_tested_once_and_never_trained_on_in_its_fold(count, data):
    folds = data.draw(st.integers(3, count))
    ids = [f"image{i}" for i in range(count)]
    groups = [data.draw(st.sampled_from("ab")) for _ in ids]
    parts = [cross_validation(ids, fold, folds, groups) for fold in range(folds)]
    assert sorted(i for p in parts for i in p["test"]) == list(range(count))
    for k, p in enumerate(parts):
        assert sorted(p["train"] + p["val"] + p["test"]) == list(range(count))
        assert p["val"] == parts[k - 1]["test"]
    sizes = [len(p["test"]) for p in parts]
    assert max(sizes) - min(sizes) <= 1
    for group in "ab":
        shares = [sum(groups[i] == group for i in p["test"]) for p in parts]
        assert max(shares) - min(shares) <= 1


def test_folds_depend_on_names_alone():
    ids = [f"i{n}" for n in range(30)]
    again = ids[::-1]
    first, second = cross_validation(ids, 2, 5), cross_validation(again, 2, 5)
    assert {ids[i] for i in first["test"]} == {again[i] for i in second["test"]}


@pytest.mark.parametrize(("fold", "folds"), [(5, 5), (-1, 5), (0, 2), (0, 7)])
def test_wrong_folds(fold, folds):
    with pytest.raises(UserError, match=r"data\.fold"):
        cross_validation(list("abcdef"), fold, folds)

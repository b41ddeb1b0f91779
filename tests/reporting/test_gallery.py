from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from explainsal.reporting.gallery import median, ranked_gallery, shown
from explainsal.reporting.run_folder import read_run


def test_places_are_those_among_all_images_not_among_the_gallery(fake_run: Path) -> None:
    images = ranked_gallery(read_run(fake_run))
    assert [image.place for image in images] == [
        "best of 100",
        "rank 25 of 100",
        "median of 100",
        "rank 75 of 100",
        "worst of 100",
    ]
    assert median(images).place == "median of 100"
    scores = pd.read_parquet(fake_run / "per_image.parquet")
    assert images[0].cc == scores[scores["model"] == "deep"]["cc"].max()


def test_without_scores_there_is_no_place_and_the_order_is_by_id(fake_run: Path) -> None:
    run = replace(read_run(fake_run), per_image=None)
    images = ranked_gallery(replace(run, gallery=run.gallery[::-1]))
    assert [image.picture.id for image in images] == sorted(image.picture.id for image in images)
    assert {image.place for image in images} == {""}


def test_an_image_whose_score_is_undefined_is_unranked_and_last(fake_run: Path) -> None:
    run = read_run(fake_run)
    assert run.per_image is not None
    table = run.per_image.copy()
    table.loc[table["id"] == "scene_1401", "cc"] = np.nan
    images = ranked_gallery(replace(run, per_image=table))
    assert images[-1].picture.id == "scene_1401"
    assert images[-1].rank is None
    assert images[0].of == 99


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_shown_images_reach_from_the_best_to_the_worst(count: int) -> None:
    chosen = shown(list(range(50)), count)  # type: ignore[arg-type]
    assert len(chosen) == count
    assert chosen[0] == 0
    assert count == 1 or chosen[-1] == 49
    assert chosen == sorted(set(chosen))

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from explainsal.reporting.results.files import summarize
from explainsal.reporting.results.printing import print_results, write_table
from explainsal.reporting.results.table import results_tables
from explainsal.reporting.results.titles import metric_title

COLUMNS = ["model", "metric", "mean", "low", "high"]


def results(*rows: tuple[object, ...], **protocol: object) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).assign(**protocol)


def printed(frame: pd.DataFrame, width: int = 80, *, styled: bool = False) -> str:
    stream = io.StringIO()
    print_results(frame, Console(file=stream, width=width, color_system="standard" if styled else None))
    return stream.getvalue()


def test_higher_is_better_except_for_the_divergence() -> None:
    table = results_tables(
        results(
            ("deep", "cc", 0.6, 0.5, 0.7),
            ("chance", "cc", 0.0, -0.1, 0.1),
            ("deep", "kld", 0.7, 0.6, 0.8),
            ("chance", "kld", 1.9, 1.8, 2.0),
        )
    )[0]
    assert [key for key, cell in table.cells.items() if cell.best] == [("deep", "cc"), ("deep", "kld")]
    assert metric_title("kld") == "KLD ↓"


def test_undefined_values_are_never_the_best_and_a_lone_number_is_not_best_of_anything() -> None:
    table = results_tables(
        results(
            ("deep", "cc", np.nan, np.nan, np.nan),
            ("other", "cc", 0.2, 0.1, 0.3),
            ("third", "cc", 0.1, 0.0, 0.2),
            ("explainable/sparse", "cc_to_deep", 0.8, 0.7, 0.9),
        )
    )[0]
    assert [key for key, cell in table.cells.items() if cell.best] == [("other", "cc")]
    assert str(table.cells["deep", "cc"]) == "–"


def test_ties_are_all_best() -> None:
    table = results_tables(results(("a", "cc", 0.5, 0.4, 0.6), ("b", "cc", 0.5, 0.4, 0.6)))[0]
    assert all(cell.best for cell in table.cells.values())


def test_models_that_saw_fewer_images_say_so_and_are_never_the_best() -> None:
    frame = results(("deep", "cc", 0.6, 0.5, 0.7), ("chance", "cc", 0.1, 0.0, 0.2), ("few", "cc", 0.9, 0.8, 1.0))
    table = results_tables(frame.assign(images=[100, 100, 12]))[0]
    assert [table.subset(model) for model in table.models] == ["", "", "12 of 100 images"]
    assert [key for key, cell in table.cells.items() if cell.best] == [("deep", "cc")]
    assert "12 of 100 images" in printed(frame.assign(images=[100, 100, 12]))


def test_sections_hold_the_models_that_have_a_number_in_them() -> None:
    frame = results(("deep", "cc", 0.6, 0.5, 0.7), ("explainable/sparse", "cc_to_deep", 0.8, 0.7, 0.9))
    sections = [(section.models, section.metrics) for section in results_tables(frame)[0].sections()]
    assert sections == [(("deep",), ("cc",)), (("explainable/sparse",), ("cc_to_deep",))]


def test_two_protocols_never_share_a_table() -> None:
    frame = pd.concat(
        [
            results(("deep", "cc", 0.6, 0.5, 0.7), profile="tuebingen", data="osie"),
            results(("deep", "cc", 0.7, 0.6, 0.8), profile="mit2016", data="osie"),
        ]
    )
    tables = results_tables(frame)
    assert [table.protocol["profile"] for table in tables] == ["tuebingen", "mit2016"]
    assert [table.cells["deep", "cc"].mean for table in tables] == [0.6, 0.7]


def test_the_caption_states_the_protocol() -> None:
    frame = results(
        ("deep", "cc", 0.6, 0.5, 0.7),
        profile="tuebingen", data="osie", split="test", release=np.nan, density_sigma=24.0, images=100, skipped=2,
    )  # fmt: skip
    caption = results_tables(frame)[0].caption
    for part in ("osie test", "100 images", "2 undefined", "profile tuebingen", "density sigma 24 px", "bootstrap"):
        assert part in caption
    assert "release" not in caption
    assert "probability 0" not in caption


def test_the_caption_says_where_minus_infinity_comes_from() -> None:
    frame = pd.DataFrame(
        [("deep", "ig", -math.inf, math.nan, math.nan)], columns=["model", "metric", "mean", "low", "high"]
    )
    assert "−inf: a map gives a fixated pixel the probability 0" in results_tables(frame)[0].caption


def test_columns_stand_in_a_fixed_order_with_comparisons_to_the_deep_map_last() -> None:
    names = ["cc_to_deep", "mine", "kld", "cc"]
    table = results_tables(results(*((("deep", name, 0.1, 0.0, 0.2)) for name in names)))[0]
    assert table.metrics == ("cc", "kld", "mine", "cc_to_deep")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_screen_shows_every_number_whole_at_any_width(fake_run: Path, width: int) -> None:
    frame = pd.read_csv(fake_run / "results.csv")
    text = printed(frame, width)
    assert "…" not in text
    for row in frame.itertuples():
        for value in (row.mean, row.low, row.high):
            assert f"{value:.3f}".replace("-", "−") in text
    assert "profile tuebingen" in " ".join(text.split())


def test_the_best_number_is_bold_on_the_screen() -> None:
    text = printed(results(("deep", "cc", 0.6, 0.5, 0.7), ("chance", "cc", 0.1, 0.0, 0.2)), styled=True)
    assert re.search(r"\x1b\[1m *0\.600", text)
    assert not re.search(r"\x1b\[1m *0\.100", text)


def test_the_csv_has_a_row_per_model_and_numbers_as_numbers(tmp_path: Path, fake_run: Path) -> None:
    frame = pd.read_csv(fake_run / "results.csv")
    wide = pd.read_csv(write_table(results_tables(frame), tmp_path / "table.csv")).set_index("model")
    assert len(wide) == frame["model"].nunique()
    row = frame[(frame["model"] == "deep") & (frame["metric"] == "nss")].iloc[0]
    assert wide.loc["deep", ["nss", "nss_low", "nss_high"]].tolist() == [row["mean"], row["low"], row["high"]]
    assert wide.loc["deep", "profile"] == "tuebingen"


def test_a_model_without_any_defined_metric_is_a_row_of_dashes() -> None:
    nothing = [float("nan")] * 3
    per_image = pd.DataFrame(
        {
            "model": ["maps"] * 3 + ["chance"] * 3,
            "id": ["a", "b", "c"] * 2,
            "index": [0, 1, 2] * 2,
            "fixations": 5,
            "cc": [*nothing, 0.1, 0.2, 0.3],
            "nss": [*nothing, 0.1, 0.2, 0.3],
            "emd": [float("nan")] * 6,
        }
    )
    found = summarize(per_image, {"profile": "mit2016"}, seed=0)
    assert found[found["model"] == "maps"]["metric"].tolist() == ["cc", "nss", "emd"]
    assert found[found["model"] == "maps"]["skipped"].tolist() == [3, 3, 3]
    assert found[found["model"] == "chance"]["metric"].tolist() == ["cc", "nss"]
    row = next(line for line in printed(found).splitlines() if "maps" in line)
    assert row.count("–") >= 2

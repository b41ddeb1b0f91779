from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.reporting.fake_run import NAMES

from explainsal.reporting.browser import browser_data
from explainsal.reporting.html import render_report, write_report
from explainsal.reporting.results.table import results_tables
from explainsal.reporting.run_folder import read_run
from explainsal.reporting.summary import commands, duration, sentences

SECTIONS = ("results", "training", "gallery", "fidelity", "browser", "filters", "environment")


class Page(HTMLParser):
    """Content of a page: text by section, ids, and all addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text: dict[str, str] = {}
        self._section = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if tag in ("section", "footer"):
            self._section = known.get("id") or tag
        self.addresses += [str(known[name]) for name in ("src", "href", "xlink:href", "srcset") if known.get(name)]

    def handle_data(self, data: str) -> None:
        self.text[self._section] = f"{self.text.get(self._section, '')} {data.strip()}"


def test_the_report_is_one_file_that_names_nothing_outside_itself(own_run: Path) -> None:
    path = write_report(own_run)
    assert path == own_run / "report.html"
    assert path.stat().st_size < 15e6
    page = Page(path.read_text())
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"@import|url\(\s*['\"]?http", path.read_text())


@pytest.fixture(scope="module")
def whole_page(fake_run: Path) -> Page:
    return Page(render_report(read_run(fake_run)))


def test_ids_are_unique_and_every_link_has_its_target(whole_page: Page) -> None:
    page = whole_page
    assert len(page.ids) == len(set(page.ids))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)


def test_the_page_says_what_was_found(whole_page: Page) -> None:
    for text, section in [
        ("0.660", "results"),
        ("[0.640, 0.680]", "results"),
        ("profile tuebingen", "results"),
        ("density sigma 24 px", "results"),
        ("best of 100, CC 0.900", "gallery"),
        ("blocks.1.conv3.relu", "fidelity"),
        ("The mean bandwidth grows with depth", "filters"),
        ("+0.25 from the best null model", "fidelity"),
        ("No null model was computed for the preset paper", "fidelity"),
        ("git checkout ae4011e", "environment"),
        ("python -m explainsal.train +experiment=demo data=synthetic", "environment"),
        ("2.13.0+cpu", "environment"),
        ("The working tree had changes", "environment"),
    ]:
        assert text in whole_page.text[section], text


@pytest.mark.parametrize("parts", [
    {"results.csv": "results", "gallery": "gallery", "config.yaml": "environment"},
    {"metrics.csv": "training", "environment.json": "environment"},
    {"explanation": "fidelity browser filters"},
], ids=list)  # fmt: skip
def test_a_missing_part_is_a_sentence_in_its_place(own_run: Path, parts: dict[str, str]) -> None:
    for path in parts:
        shutil.rmtree(own_run / path) if (own_run / path).is_dir() else (own_run / path).unlink()
    page = Page(render_report(read_run(own_run)))
    commands = {"results.csv": "evaluate", "gallery": "evaluate", "explanation": "explain"}
    for path, sections in parts.items():
        for section in sections.split():
            assert f"{path} is not in this run" in page.text[section]
            assert f"explainsal.{commands.get(path, 'train')}" in page.text[section]


@pytest.mark.parametrize("path", ["coefficients.parquet", "maps.npz"])
def test_a_preset_without_all_its_files_still_shows_the_rest(own_run: Path, path: str) -> None:
    for preset in (own_run / "explanation").iterdir():
        (preset / path).unlink()
    page = Page(render_report(read_run(own_run)))
    assert f"explanation/sparse/{path} is not in this run" in page.text["browser"] + page.text["filters"]
    assert "Preset sparse" in page.text["fidelity"]


def only_an_explanation(run: Path, command: str, images: int = 0) -> Page:
    """Return the page of a run of `command` on photos; of the last `images` photos, or of all."""
    for path in ("metrics.csv", "results.csv", "per_image.parquet"):
        (run / path).unlink()
    record = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(
        json.dumps({**record, "command": f"python -m explainsal.{command} image=photos"})
    )
    pictures = sorted((run / "gallery").iterdir())
    for path in pictures[-images:]:
        with np.load(path) as archive:
            kept = {name: archive[name] for name in archive.files if name not in ("density", "fixations")}
        np.savez(path, **kept)
    for path in pictures[:-images] if images else []:
        path.unlink()
    return Page(render_report(read_run(run)))


def test_an_explanation_of_photos_has_no_sections_for_what_photos_cannot_have(own_run: Path) -> None:
    page = only_an_explanation(own_run, "explain")
    assert set(SECTIONS) - set(page.ids) == {"results", "training"}
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert "Ground truth" not in page.text["gallery"]
    assert "Deep model" in page.text["gallery"]


def test_its_first_screen_says_how_faithful_it_is_beside_the_best_null_model(own_run: Path) -> None:
    page = only_an_explanation(own_run, "explain")
    fidelity = pd.read_csv(own_run / "explanation" / "sparse" / "fidelity.csv")
    means = fidelity.groupby("variant")["cc_to_deep"].mean()
    best = means.drop("explanation").idxmax()
    said = page.text["section"]
    assert f"has a correlation of {means['explanation']:.3f} with the network’s" in said
    assert f"its best null model, {best.replace('_', ' ')}, has {means[best]:.3f}" in said
    assert f"Null model: {best.replace('_', ' ')}" in said


def test_without_null_models_its_first_screen_says_how_faithful_it_is_all_the_same(own_run: Path) -> None:
    path = own_run / "explanation" / "sparse" / "fidelity.csv"
    fidelity = pd.read_csv(path)
    own = fidelity[fidelity["variant"] == "explanation"]
    own.to_csv(path, index=False)
    page = only_an_explanation(own_run, "explain")
    said = page.text["section"]
    assert f"has a correlation of {own['cc_to_deep'].mean():.3f} with the network’s." in said
    assert "Null model:" not in said
    assert "nulls=[shuffled_filters]" in page.text["fidelity"]


def test_a_single_photo_is_shown_once(own_run: Path) -> None:
    assert "gallery" not in only_an_explanation(own_run, "explain", images=1).ids


def test_an_evaluation_misses_its_scores_and_no_training(own_run: Path) -> None:
    page = only_an_explanation(own_run, "evaluate")
    assert set(SECTIONS) - set(page.ids) == {"training"}
    assert "results.csv is not in this run" in page.text["results"]


def test_names_are_text_never_markup(own_run: Path) -> None:
    evil = "</script><b>bold</b>"
    for preset in (own_run / "explanation").iterdir():
        table = pd.read_csv(preset / "layers.csv")
        table["name"] = table["name"].replace("readout", evil)
        table.to_csv(preset / "layers.csv", index=False)
    html = render_report(read_run(own_run))
    assert "<b>bold</b>" not in html
    assert "&lt;b&gt;bold" in html
    embedded = re.search(r'<script type="application/json" id="browser-data">(.*?)</script>', html, re.DOTALL)
    assert embedded is not None
    layers = json.loads(embedded.group(1))["presets"][0]["layers"]["scene_1401"]
    assert layers[-1]["name"] == evil


def test_untrained_weights_are_called_so(small_run: Path) -> None:
    run = read_run(small_run)
    assert run.environment is not None
    assert "not trained" not in render_report(run)
    model = {**run.environment["model"], "weights": "untrained weights"}
    page = render_report(replace(run, environment={**run.environment, "model": model}))
    assert "not trained" in page
    assert re.search(r"<h1[^>]*>[^<]*untrained weights", page)


def test_the_layer_browser_knows_every_map_with_its_terms(fake_run: Path) -> None:
    data = browser_data(read_run(fake_run))
    assert data is not None
    json.dumps(data, allow_nan=False)
    sparse = data["presets"][-1]
    assert sparse["name"] == "sparse"
    entry = sparse["maps"]["scene_1402"][3][1]
    assert entry["map"] == 1
    *filters, constant = entry["terms"]
    assert len(filters) == 17
    weights = [abs(term[-1]) for term in filters]
    assert weights == sorted(weights, reverse=True)
    assert constant == ["", None, None, None, None, 1.0, None, 40.0]  # last, although its weight is the largest
    assert [layer["name"] for layer in sparse["layers"]["scene_1402"]] == NAMES
    with np.load(fake_run / "explanation" / "sparse" / "maps.npz") as archive:
        activation = archive["scene_1402/3/1/activation"].astype(np.float32)
    assert entry["activation"][1:] == pytest.approx([activation.min(), activation.max()], rel=1e-3)


def test_presets_share_the_pictures_of_their_activations(fake_run: Path) -> None:
    data = browser_data(read_run(fake_run))
    assert data is not None
    first, last = (preset["maps"]["scene_1401"][0][0] for preset in (data["presets"][0], data["presets"][-1]))
    assert first["activation"][0] == last["activation"][0]
    assert first["reconstruction"][0] != last["reconstruction"][0]


def test_pictures_shrink_and_then_are_left_out_until_they_fit(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = read_run(small_run)
    whole = browser_data(run)
    assert whole is not None
    assert (whole["side"], whole["left_out"]) == (160, 0)
    total = sum(map(len, whole["pictures"]))
    smaller = browser_data(run, budget=total // 3)
    assert smaller is not None
    assert sum(map(len, smaller["pictures"])) <= total // 3
    assert smaller["side"] < 160
    assert smaller["left_out"] == 0
    fewest = browser_data(run, budget=1000)
    assert fewest is not None
    assert fewest["left_out"] == 3 * 3  # one of two maps, for every image and layer
    monkeypatch.setattr("explainsal.reporting.html.browser_data", lambda _: fewest)
    assert f"{fewest['left_out']} maps were left out" in Page(render_report(run)).text["browser"]


def test_the_summary_does_not_call_a_difference_that_is_none() -> None:
    def frame(deep: tuple[float, float, float]) -> pd.DataFrame:
        rows = [("deep", "cc", *deep), ("center_bias", "cc", 0.5, 0.45, 0.55)]
        return pd.DataFrame(rows, columns=["model", "metric", "mean", "low", "high"])

    for deep, verdict in [
        ((0.6, 0.58, 0.62), "better than the center bias"),
        ((0.52, 0.47, 0.57), "about as well as the center bias"),
        ((0.3, 0.2, 0.4), "worse than the center bias"),
    ]:
        assert verdict in sentences(results_tables(frame(deep))[0])[0]


def test_the_summary_compares_on_the_same_images() -> None:
    rows = [("deep", "cc", 0.6, 0.5, 0.7, 3), ("explainable/sparse", "cc", 0.4, 0.3, 0.5, 2)]
    rows += [("explainable/sparse", "cc_to_deep", 0.9, 0.8, 1.0, 2)]
    table = results_tables(pd.DataFrame(rows, columns=["model", "metric", "mean", "low", "high", "images"]))[0]
    scores = [("deep", "a", 0.7), ("deep", "b", 0.8), ("deep", "c", 0.3)]
    scores += [("explainable/sparse", "a", 0.5), ("explainable/sparse", "b", 0.3)]
    text = sentences(table, pd.DataFrame(scores, columns=["model", "id", "cc"]))[0]
    assert text.endswith("on 2 of 3 images, where the deep model itself reaches 0.750.")


def test_commands_name_the_run_as_one_types_it(fake_run: Path) -> None:
    run = replace(read_run(fake_run), folder=Path("/somewhere/outputs/2026-11-23/06-00-00"))
    assert commands(run)[-1] == "python -m explainsal.report run=outputs/2026-11-23/06-00-00"


def test_durations() -> None:
    assert duration("2026-11-23T06:00:00+00:00", "2026-11-23T06:00:41+00:00") == "41 s"
    assert duration("2026-11-23T06:00:00+00:00", None) == ""

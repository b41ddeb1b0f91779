from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.reporting.chromium import Chromium, find_chromium
from tests.reporting.fake_run import NAMES

from explainsal.reporting.html import write_report

READ_COLUMN = "[...document.querySelectorAll('.results')[%d].tBodies[0].rows].map((row) => row.dataset.model)"
PIXELS = """(() => {
  const canvas = document.getElementById('%s');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.width, canvas.height, data.reduce((sum, value) => sum + value, 0)];
})()"""
PAINTED = """['activation', 'reconstruction'].map((id) => document.getElementById(id).dataset)
  .every(({ wanted, shown }) => wanted && wanted === shown)"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if find_chromium() is None:
        reason = "no Chromium on this machine: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def report(fake_run: Path) -> Path:
    return write_report(fake_run)


@pytest.fixture
def page(chromium: Chromium, report: Path) -> Iterator[Chromium]:
    chromium.problems.clear()
    chromium.requests.clear()
    chromium.open(report)
    yield chromium
    assert chromium.problems == []


def test_it_loads_nothing_and_complains_about_nothing(page: Chromium, report: Path) -> None:
    assert page.run("document.title") == "CMRNet on OSIE · explainsal"
    outside = [address for address in page.requests if not address.startswith("data:")]
    assert outside == [report.resolve().as_uri()]
    assert page.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_its_window(page: Chromium, report: Path, tmp_path: Path, width: int, dark: bool) -> None:
    page.open(report, width=width, dark=dark)
    assert page.run("document.documentElement.scrollWidth") == width
    assert page.screenshot(tmp_path / "page.png").stat().st_size > 50_000
    assert page.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(21, 24, 27)" if dark else "rgb(254, 254, 253)"
    )


def test_heads_sort_the_table_best_first(page: Chromium) -> None:
    def sort_by(column: int, table: int = 0) -> list[str]:
        page.run(f"document.querySelectorAll('.results')[{table}].querySelectorAll('thead button')[{column}].click()")
        return list(page.run(READ_COLUMN % table))

    assert sort_by(1)[0] == "deep"
    assert page.run("document.querySelectorAll('.results thead th')[1].ariaSort") == "descending"
    assert sort_by(1)[0] == "chance"
    assert sort_by(4)[0] == "deep"  # the divergence: lowest first
    to_deep = sort_by(1, table=1)
    assert to_deep == ["explainable/sparse", "explainable/normalized", "explainable/paper"]
    assert sort_by(1, table=1) == to_deep[::-1]
    assert page.run("document.querySelectorAll('.results thead th[aria-sort]').length") == 2  # one in each table


def test_values_that_were_not_measured_are_last_in_both_directions(chromium: Chromium, own_run: Path) -> None:
    table = pd.read_csv(own_run / "results.csv")
    table[(table["model"] != "chance") | (table["metric"] != "nss")].to_csv(own_run / "results.csv", index=False)
    chromium.open(write_report(own_run))
    for _ in range(2):
        chromium.run("document.querySelectorAll('.results thead button')[3].click()")
        assert chromium.run(READ_COLUMN % 0)[-1] == "chance"


def test_the_layer_browser_shows_what_is_picked(page: Chromium) -> None:
    page.wait_for(PAINTED)
    assert page.run("document.getElementById('layer-facts').textContent").startswith(f"{NAMES[0]}: 16 maps of 96×128")
    before = page.run(PIXELS % "activation")
    assert before[:2] == [128, 96]
    assert before[2] > 255 * 128 * 96  # more than an opaque black picture
    page.run("{const s = document.getElementById('layer-choice'); s.value = 7; s.dispatchEvent(new Event('change'))}")
    page.wait_for(PAINTED)
    assert page.run("document.getElementById('layer-facts').textContent").startswith(NAMES[7])
    assert page.run("document.getElementById('layer-depth').value") == "7"
    after = page.run(PIXELS % "activation")
    assert after[:2] == [64, 48]
    assert page.run("document.querySelectorAll('#terms tbody tr').length") == 18
    assert "17 filters" in page.run("document.querySelector('#terms caption').textContent")
    assert page.run("document.querySelector('#terms tbody tr:last-child').textContent").endswith("constant")
    weights = page.run("[...document.querySelectorAll('#terms .weight:has(.bar)')].map((cell) => cell.textContent)")
    sizes = [abs(float(weight.replace("−", "-"))) for weight in weights]
    assert sizes == sorted(sizes, reverse=True)
    page.run("document.querySelector('input[name=image][value=scene_1403]').click()")
    page.wait_for(PAINTED)
    assert page.run(PIXELS % "activation") != after
    reconstruction = page.run(PIXELS % "reconstruction")
    page.run("document.querySelector('input[name=preset][value=paper]').click()")
    page.wait_for(PAINTED)
    assert page.run(PIXELS % "reconstruction") != reconstruction


def test_one_colour_range_for_both_maps_on_request(page: Chromium) -> None:
    page.wait_for(PAINTED)
    activation, reconstruction = page.run(PIXELS % "activation"), page.run(PIXELS % "reconstruction")
    page.run("document.getElementById('same-scale').click()")
    page.wait_for(PAINTED)
    assert page.run(PIXELS % "activation") == activation
    assert page.run(PIXELS % "reconstruction") != reconstruction


def test_the_layer_browser_needs_no_mouse(page: Chromium) -> None:
    page.run("document.getElementById('layer-depth').focus()")
    page.press("ArrowRight", 39)
    assert page.run("document.getElementById('layer-facts').textContent").startswith(NAMES[1])
    page.run("document.querySelector('input[name=preset]:checked').focus()")
    page.press("ArrowLeft", 37)
    assert page.run("document.querySelector('input[name=preset]:checked').value") == "normalized"


def test_the_theme_button_goes_round(page: Chromium) -> None:
    labels = []
    for _ in range(3):
        page.run("document.getElementById('theme').click()")
        labels.append(page.run("document.documentElement.dataset.theme ?? 'auto'"))
    assert labels == ["light", "dark", "auto"]


def test_fixations_can_be_hidden(page: Chromium) -> None:
    visible = "getComputedStyle(document.querySelector('.dots')).display !== 'none'"
    assert page.run(visible)
    page.run("document.getElementById('dots').click()")
    assert not page.run(visible)


def test_everything_that_can_be_used_has_a_name_for_a_screen_reader(page: Chromium) -> None:
    page.wait_for(PAINTED)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    usable = {"button", "link", "radio", "checkbox", "slider", "combobox", "img", "image", "table", "region"}
    named = [node for node in tree if not node["ignored"] and node.get("role", {}).get("value") in usable]
    assert len(named) > 60
    nameless = [node["role"]["value"] for node in named if not node.get("name", {}).get("value")]
    assert [role for role in nameless if role != "table"] == []
    levels = page.run("[...document.querySelectorAll('h1, h2, h3')].map((head) => Number(head.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(page: Chromium, report: Path, dark: bool) -> None:
    """Test for a contrast of at least 4.5, required for text by WCAG 2.2 (1.4.3)."""
    page.open(report, dark=dark)

    def luminance(variable: str) -> float:
        color = page.run(
            f"(() => {{ document.body.style.color = 'var({variable})'; "
            "const color = getComputedStyle(document.body).color; document.body.style.color = ''; return color })()"
        )
        channels = [int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for text in ("--ink", "--muted", "--accent", "--caution"):
        for ground in ("--paper", "--raised"):
            low, high = sorted((luminance(text), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)

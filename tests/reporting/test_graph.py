"""The figure of a standalone model's graph."""

from dataclasses import replace

import pandas as pd
import pytest

from explainsal.errors import UserError
from explainsal.reporting.figures.graph import by_orientation, by_stage, ends, graph_figure, graph_text
from explainsal.reporting.figures.style import styled
from explainsal.reporting.run_figures import write_figure
from explainsal.reporting.run_folder import Run

NAN = float("nan")
GRAPH = pd.DataFrame(
    [
        (0, "stem", "energy", 3.0, 0.0, "input/red-green", 0.375),
        (0, "stem", "even", 6.28, NAN, "input/luminance", 0.125),
        (1, "output", "half_wave", 6.28, NAN, "stem/4", 0.5),
        (1, "output", "energy", 12.0, 1.5707963, "input/luminance", 0.25),
        (1, "output", "", NAN, NAN, "center/vertical", 0.25),
    ],
    columns=["layer", "name", "part", "wavelength", "orientation", "source", "flow"],
)


def test_shares_are_of_the_flow():
    assert ends(GRAPH).to_dict() == {"red-green": 0.375, "luminance": 0.375, "position": 0.25}
    stages = by_stage(GRAPH)
    assert list(stages.index)[:2] == ["3 px", "12 px"]
    assert stages[0].to_dict() == {"3 px": 0.75, "12 px": 0, "blur": 0.25, "half-wave blur": 0, "position": 0}
    assert stages[1].to_dict() == {"3 px": 0, "12 px": 0.25, "blur": 0, "half-wave blur": 0.5, "position": 0.25}
    assert by_orientation(GRAPH).round(3).to_dict() == {0.0: 0.6, 90.0: 0.4}
    assert graph_text(GRAPH).startswith("Of the saliency map, 38% comes from ")


def test_the_figure_has_three_panels_and_only_standalone_models_have_it(tmp_path):
    with styled():
        titles = [axes.get_title(loc="left") for axes in graph_figure(GRAPH).axes[:3]]
    assert titles == ["Sources of the map", "Filters of each stage", "Orientations"]
    run = Run(tmp_path, None, None, None, None, None, (), {}, (), graph=GRAPH)
    assert [path.name for path in write_figure(run, "graph")] == ["graph.png", "graph.pdf"]
    with pytest.raises(UserError, match="no standalone model; python -m explainsal.distill"):
        write_figure(replace(run, graph=None), "graph")

"""A run's explanations with no loop: the limit, the tables, several processes, wrong options."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from tests.explanation.nets import Plain

from explainsal.errors import UserError
from explainsal.explanation.run import ExplanationRun


def explained(run, net, images, index):
    for part, explanation in run.explain_batch(net, images[index], torch.tensor(index)):
        run.add(explanation, [f"image{i}" for i in index[part]], index=torch.tensor(index[part]))
    return run


def test_images_are_explained_up_to_the_limit_and_written(tmp_path):
    net, images = Plain(), torch.rand(5, 3, 20, 24)
    run = ExplanationRun("sparse", tmp_path, limit=3, batch_size=2, options={"fill_pool": False})
    explained(run, net, images, [0, 1, 2, 3, 4])
    assert [row["image"] for row in run.rows] == ["image0", "image1", "image2"]
    assert sorted(run.maps) == [0, 1, 2]
    run.save()
    assert set(pd.read_csv(tmp_path / "layers.csv")["image"]) == {"image0", "image1", "image2"}
    assert run.explainer_for(net) is run.explainer_for(net)
    run.reset()
    assert (len(run), run.rows, run.maps) == (0, [], {})


def test_the_tables_of_several_processes_are_written_once(tmp_path):
    net, images = Plain(), torch.rand(3, 3, 20, 24)
    runs = [ExplanationRun("sparse", tmp_path, options={"fill_pool": False}) for _ in range(2)]
    explained(runs[0], net, images, [0, 2])
    explained(runs[1], net, images, [1, 0])  # a distributed sampler repeats an image
    runs[0].merge([run.collected for run in runs])
    runs[0].save()
    table = pd.read_csv(tmp_path / "layers.csv")
    assert table.groupby("image").size().to_dict() == dict.fromkeys(("image0", "image1", "image2"), 5)


def test_nothing_is_written_where_nothing_was_explained(tmp_path):
    ExplanationRun("sparse", tmp_path / "absent").save()
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("options", [{"signed": "no"}, {"generations": 1.5}, {"topk": 3}])
def test_wrong_options_end_in_one_line_before_a_network_is_made(options, tmp_path):
    with pytest.raises(UserError, match="signed must be|generations must be|no option topk"):
        ExplanationRun("sparse", tmp_path, options=options)

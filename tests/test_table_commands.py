"""The paper's tables by one command: every row scored, submitted or explained away, and nothing computed twice."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.commands import run

SMALL = (
    "-m", "+experiment=table1", "data=synthetic", "data.image_size=[48,64]", "data.sizes={train:8,val:2,test:4}",
    "data.num_workers=0", "trainer=cpu", "table.null_images=1",
    "table.weights.unisal=absent.pth", "evaluation.explain_images=1", "evaluation.profiles=[]",
    "table.nulls=[untrained_network]", "table.baselines=[center_bias,gold_standard]",
    "table.rows=[itti,explainable_cmrnet,untrained_network_cmrnet,cmrnet,unisal,center_bias,gold_standard]",
)  # fmt: skip


@pytest.mark.slow
def test_a_table_has_every_row_and_is_not_computed_twice(tmp_path):
    run(tmp_path, "evaluate", *SMALL)
    (folder,) = (tmp_path / "outputs" / "tables").glob("table1-*")
    table = pd.read_csv(folder / "table.csv").drop_duplicates("model").set_index("model")
    explained = {"explainable_cmrnet", "untrained_network_cmrnet"}
    assert set(table.index) == explained | {"itti", "cmrnet", "unisal", "center_bias", "gold_standard"}
    assert table.loc["unisal", "status"] == "missing"
    assert "no weights at table.weights.unisal=absent.pth" in table.loc["unisal", "note"]
    assert set(table["status"].drop("unisal")) == {"scored"}
    text = (folder / "table.md").read_text()
    assert "0.846" in text  # the paper's CC of CMRNet
    assert "other images than here" in text
    assert "synthetic test, release v2-seed0, " in text  # editions of one data set must not be mixed up
    assert (folder / "report.html").is_file()
    kept = {path: path.stat().st_mtime_ns for path in (folder / "rows").rglob("*.parquet")}
    assert len(kept) >= 4
    again = run(tmp_path, "evaluate", *SMALL)
    assert "row itti: keeping earlier scores" in again.stdout + again.stderr
    assert {path: path.stat().st_mtime_ns for path in (folder / "rows").rglob("*.parquet")} == kept


@pytest.mark.slow
def test_where_fixations_are_withheld_a_table_writes_submissions(tmp_path):
    pictures = tmp_path / "mit300" / "BenchmarkIMAGES"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(1, 4):
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(pictures / f"i{i}.jpg")
    done = run(
        tmp_path, "evaluate", "-m", "+experiment=table3", "data.root=mit300", "data.num_workers=0", "trainer=cpu",
        "submission.partial=true", "table.rows=[itti,cmrnet,msinet,shuffled_filters_cmrnet]",
        "table.weights.msinet=absent.pb",
    )  # fmt: skip
    (folder,) = (tmp_path / "outputs" / "tables").glob("table3-*")
    assert {path.name for path in (folder / "submissions").glob("*.hdf5")} == {"itti-map.hdf5", "cmrnet-map.hdf5"}
    assert done.stdout.count("accepted by the rules of the MIT/Tübingen Saliency Benchmark") == 2
    table = pd.read_csv(folder / "table.csv").drop_duplicates("model").set_index("model")
    missing = dict.fromkeys(("msinet", "shuffled_filters_cmrnet"), "missing")
    assert table["status"].to_dict() == {"itti": "submitted", "cmrnet": "submitted", **missing}

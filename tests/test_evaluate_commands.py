"""Classical models, and maps made elsewhere, through evaluate, predict and report."""

import pandas as pd
import pytest
from tests.commands import run

DATA = ("data=synthetic", "data.image_size=[48,64]", "data.sizes={train:8,val:2,test:4}", "data.num_workers=0")
EVALUATE = (*DATA, "trainer=cpu", "evaluation.presets=[]", "evaluation.profiles=[]")
METRICS = ["cc", "sim", "nss", "kld", "auc_judd", "sauc"]


@pytest.mark.slow
def test_a_classical_model_and_its_stored_maps_score_the_same(tmp_path):
    run(tmp_path, "evaluate", "model=itti", *EVALUATE, "hydra.run.dir=outputs/itti")
    run(tmp_path, "predict", "model=itti", *DATA, "format=npy", "to=outputs/predicted/maps")
    run(tmp_path, "evaluate", "predictions=outputs/predicted/maps", *EVALUATE, "hydra.run.dir=outputs/stored")
    tables = [pd.read_parquet(tmp_path / "outputs" / name / "per_image.parquet") for name in ("itti", "stored")]
    model, stored = (t[~t["model"].isin(["center_bias", "chance"])].set_index("id").sort_index() for t in tables)
    assert len(model) == 4
    assert (model["cc"].abs() > 0).all()
    pd.testing.assert_frame_equal(model[METRICS], stored[METRICS], rtol=1e-4)
    (tmp_path / "outputs" / "itti" / "report.html").unlink()
    run(tmp_path, "report", "run=outputs/itti")
    report = (tmp_path / "outputs" / "itti" / "report.html").read_text()
    assert "Parameters" not in report.split("</header>")[0]
    missing = next((tmp_path / "outputs" / "predicted" / "maps").glob("*.npy"))
    missing.unlink()
    done = run(tmp_path, "evaluate", "predictions=outputs/predicted/maps", *EVALUATE, code=2)
    assert missing.stem in done.stderr

"""A job of a sweep that only writes the files of an explanation with a null model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from explainsal.app.jobs import run_job


def fake_job(
    folder: Path, value: float, *overrides: str, commit: str = "c1", crash: bool = False, returned: dict | None = None
) -> str:
    """Run the job unless it is done; return the outcome: ran, kept, or left to another process."""
    ran = []

    def task() -> dict | None:
        ran.append(1)
        assert {p.name for p in folder.iterdir()} - {".hydra"} == {"job.json", "job.lock"}
        (folder / "explanation" / "sparse").mkdir(parents=True)
        if crash:
            raise ValueError("top_k must be at least 1")
        rows = [("explanation", "a", value, 0.5), ("explanation", "b", value + 0.1, 0.7),
                ("shuffled_filters", "a", 0.2, 0.1), ("shuffled_filters", "b", 0.4, 0.1)]  # fmt: skip
        table = pd.DataFrame(rows, columns=["variant", "image", "cc_to_deep", "layer_correlation"])
        table.to_csv(folder / "explanation" / "sparse" / "fidelity.csv", index=False)
        return returned

    parameters = {"sweep": "grid"} | dict(override.split("=", 1) for override in overrides)
    found = run_job(folder, parameters, commit, task)
    return "left" if found is None else "ran" if ran else "kept"

"""Every code block of the documentation runs as it is printed, and every command line composes."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image
from tests.commands import environment
from tests.warm import warm_python

from explainsal.app.cli import conf_dir
from explainsal.workflows.loading import load_model

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NETWORK = """
from torch import nn

class MyNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(inplace=True), nn.Conv2d(6, 1, 3, padding=1))

    def forward(self, images):
        return self.body(images).sigmoid()
"""


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall((ROOT / page).read_text()) if kind == language]


def write_pictures(folder: Path, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        coarse.resize((64, 48), Image.Resampling.BICUBIC).save(folder / name)


def write_data(root: Path) -> None:
    """The folder of the page on training, and for each test image a map of another tool."""
    names = [
        f"{place}.jpg" for place in ("kitchen", "street", "beach", "forest", "office", "garden", "tower", "harbour")
    ]
    write_pictures(root / "mydata" / "images", names)
    rng = np.random.default_rng(1)
    with (root / "mydata" / "fixations.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "x", "y"])
        table.writerows([name, *rng.integers(0, (64, 48)).tolist()] for name in names for _ in range(5))
    parts = {"train": names[:4], "val": names[4:6], "test": names[6:]}
    (root / "mydata" / "splits.json").write_text(json.dumps(parts))
    (root / "maps").mkdir()
    for name in parts["test"]:
        Image.fromarray(rng.integers(0, 255, (48, 64), dtype=np.uint8)).save(root / "maps" / name.replace("jpg", "png"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with what the pages name, and no more."""
    root = tmp_path_factory.mktemp("user")
    write_data(root)
    write_pictures(root / "data" / "mit300" / "BenchmarkIMAGES", ["i1.jpg", "i2.jpg"])
    write_pictures(root, ["photo.jpg"])
    (root / "mynetwork.py").write_text(NETWORK)
    scope: dict[str, type[torch.nn.Module]] = {}
    exec(NETWORK, scope)
    torch.manual_seed(0)
    torch.save(scope["MyNetwork"]().state_dict(), root / "mynetwork.pt")
    return root


def run_block(block: str, language: str, folder: Path) -> str:
    path = f"{Path(warm_python()).parent}{os.pathsep}{os.environ['PATH']}"  # what the blocks call python
    program = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [sys.executable, "-c"]
    done = subprocess.run(
        [*program, block],
        cwd=folder,
        env={**environment(), "PATH": path},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.slow
def test_get_started(folder: Path) -> None:
    said = run_block(blocks("docs/index.md", "bash")[0], "bash", folder)
    assert len(re.findall(r"report: (\S+)", said)) == 2
    assert "maps: " in said


@pytest.mark.slow
def test_train_on_your_own_folder(folder: Path) -> None:
    said = run_block(blocks("docs/train.md", "bash")[0], "bash", folder)
    report = Path(re.findall(r"report: (\S+report\.html)", said)[-1])
    assert (report.parent / "checkpoints" / "best.ckpt").is_file()
    assert "1 of 2 images" in said


@pytest.mark.slow
def test_evaluate_a_model_and_maps_from_another_tool(folder: Path) -> None:
    run_block(blocks("docs/evaluate.md", "bash")[0], "bash", folder)
    said = run_block(blocks("docs/evaluate.md", "bash")[1], "bash", folder)
    assert "2 maps for 2 images" in said
    results = pd.read_csv(Path(re.findall(r"report: (\S+)", said)[-1]).with_name("results.csv"))
    assert {"maps", "center_bias", "chance"} <= set(results["model"])


def test_metrics_in_python(folder: Path) -> None:
    exec(blocks("docs/evaluate.md", "python")[0], {})


@pytest.mark.slow
def test_explain_a_photo_with_published_weights(folder: Path) -> None:
    said = run_block(blocks("docs/explain.md", "bash")[0], "bash", folder)  # fetches the weights of UNISAL
    names = [json.loads(Path(path).with_name("environment.json").read_text())["model"]["name"]
             for path in re.findall(r"report: (\S+)", said)]  # fmt: skip
    assert names == ["unisal", "cmrnet_eyes"]


@pytest.mark.slow
def test_explain_your_own_network(folder: Path) -> None:
    block = blocks("docs/explain.md", "python")[0]
    assert len(block.split("\n\n", 1)[1].splitlines()) + 3 <= 10  # three imports: ten lines in all
    run_block(block, "python", folder)
    assert np.load(folder / "explainable.npy").shape == (96, 128)
    said = run_block(blocks("docs/explain.md", "bash")[1], "bash", folder)
    tables = Path(re.findall(r"report: (\S+)", said)[-1]).parent / "explanation" / "sparse"
    assert set(pd.read_csv(tables / "fidelity.csv")["variant"]) == {"explanation", "shuffled_filters"}
    said = run_block(blocks("docs/explain.md", "bash")[2], "bash", folder)  # needs the file of the block before
    assert said.count("standalone.safetensors") > 1
    attribution = Path(re.findall(r"report: (\S+)", said)[-1]).with_name("attribution.csv")
    assert pd.read_csv(attribution)["image"].unique().tolist() == ["photo"]


@pytest.mark.slow
def test_learn_a_graph(folder: Path) -> None:
    block = blocks("docs/explain.md", "bash")[3].replace("callbacks=pruned", "callbacks=pruned trainer.max_epochs=4")
    said = run_block(block, "bash", folder)
    model = load_model("standalone", weights=re.findall(r"model: (\S+\.safetensors)", said)[-1])
    assert max(int((stage.source >= 0).sum(1).max()) for stage in model.net.stages) == 20


def test_do_without_the_network(folder: Path) -> None:
    """In this process, since it takes a second of which a new one would be most."""
    block = blocks("docs/explain.md", "python")[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        exec(block, {})
        sys.modules.pop("mynetwork")
    photo = torch.tensor(np.array(Image.open(folder / "photo.jpg"))).permute(2, 0, 1)[None]
    saliency_map = load_model("standalone", weights=folder / "standalone.safetensors")(photo)
    assert saliency_map.shape == (1, 1, 48, 64)
    assert saliency_map.std() > 0


@pytest.mark.slow
def test_train_with_a_teacher(folder: Path) -> None:
    """In 2 epochs of 31; the published weights are in the user's cache, or are fetched."""
    block = blocks("docs/train.md", "bash")[1]
    assert block.count("'~fit.extra_data.mit1003'") == 1
    said = run_block(
        block.replace("'~fit", "trainer.max_epochs=2 trainer.check_val_every_n_epoch=1 '~fit"), "bash", folder
    )
    report = Path(re.findall(r"report: (\S+report\.html)", said)[-1])
    assert (report.parent / "checkpoints" / "best.ckpt").is_file()


@pytest.mark.slow
def test_run_a_sweep(folder: Path) -> None:
    run_block(blocks("docs/train.md", "bash")[2], "bash", folder)
    (table,) = (folder / "outputs" / "multirun").glob("*/sweep.csv")
    assert sorted(pd.read_csv(table)["explainer.pool_size"]) == [5, 10]


@pytest.mark.slow
def test_submit_to_mit300(folder: Path) -> None:
    block = blocks("docs/evaluate.md", "bash")[-1]
    block = block.replace("data=mit300", "data=mit300 submission.partial=true")  # 2 images of 300
    said = run_block(block, "bash", folder)
    assert said.count("accepted by the rules of the MIT/Tübingen Saliency Benchmark") == 2


def test_every_block_of_the_pages_is_run_above() -> None:
    """Blocks of kind `text` and `console` are not run: a layout of files, and commands that download."""
    pages = {page.stem: page for page in (ROOT / "docs").glob("*.md")}
    kinds = {name: [kind for kind, _ in FENCE.findall(page.read_text())] for name, page in pages.items()}
    run = {name: [kind for kind in found if kind not in ("text", "console")] for name, found in kinds.items()}
    assert {name: found for name, found in run.items() if found} == {
        "index": ["bash"],
        "explain": ["bash", "python", "bash", "python", "bash", "bash"],
        "evaluate": ["bash", "bash", "python", "bash"],
        "train": ["bash", "bash", "bash"],
    }


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\((0[^)]*\.md)\)", (ROOT / "docs/decisions/index.md").read_text())
    assert listed == sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))


def commands_in(page: Path) -> list[str]:
    """The command lines of a page, in blocks and in running text, with the values of its shell variables."""
    text = page.read_text()
    variables = dict(re.findall(r"""^([A-Z]+)=['"]([^'"]*)['"]$""", text, re.MULTILINE))
    text = Template(text).safe_substitute(variables)
    lines = [
        line for kind, block in FENCE.findall(text) if kind != "text" for line in block.replace("\\\n", "").splitlines()
    ]
    inline = [" ".join(found.split()) for found in re.findall(r"`(python -m explainsal\.[^`]*)`", text)]
    return [line for line in (*lines, *inline) if line.startswith("python -m explainsal.")]


PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "experiments").glob("**/*.md")),
    *sorted((ROOT / "benchmarks").glob("**/*.md")),
]


@pytest.mark.parametrize(
    "line", sorted({line for page in PAGES for line in commands_in(page) if "mymodel" not in line})
)
def test_command_lines_compose(line: str) -> None:
    """As Hydra would at the start of the command; of a sweep its first job."""
    _, _, module, *words = shlex.split(re.sub(r"<\w+>", "X", line), comments=True)
    chosen = []
    for override in OverridesParser.create().parse_overrides([word for word in words if word != "-m"]):
        value = next(override.sweep_string_iterator()) if override.is_sweep_override() else None
        chosen.append(override.input_line if value is None else f"{override.input_line.partition('=')[0]}={value}")
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        assert compose(module.removeprefix("explainsal."), overrides=chosen)


def test_the_python_of_the_readme_runs() -> None:
    (block,) = blocks("README.md", "python")
    scope = {"images": torch.rand(1, 3, 48, 64)}  # all that it takes for granted
    exec(block, scope)
    assert scope["saliency"].shape == (1, 1, 48, 64)
    assert scope["out"].explainable_map.shape == (1, 1, 48, 64)


def test_what_the_readme_tells_make_to_do_is_there() -> None:
    targets = re.findall(r"(?:^|`)make ([a-z][\w-]*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "install"} <= set(targets) <= set(known)

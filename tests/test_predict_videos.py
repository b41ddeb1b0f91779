"""predict video=true: a folder is a video, its frames go through UNISAL's recurrent unit in their order."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.models.rule import unisal_state

from explainsal.app.cli import conf_dir
from explainsal.errors import UserError
from explainsal.models import load_network
from explainsal.predict import predict

FRAMES = {"b": ["frame8", "frame9", "frame10", "frame11"], "a": ["1", "2"]}
SMALL = {"domain": "DHF1K", "input_size": (64, 96)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two videos of different sizes, and weights."""
    root, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    for height, (video, names) in zip((40, 48), FRAMES.items(), strict=True):
        (root / "pictures" / video).mkdir(parents=True)
        for name in names:
            cv2.imwrite(str(root / f"pictures/{video}/{name}.png"), rng.integers(0, 256, (height, 60, 3), np.uint8))
    torch.save(unisal_state(load_network("unisal").net.state_dict()), root / "weights.pth")
    return root


def config(folder, to, *overrides):
    fixed = [f"paths.output={to}", f"paths.outputs={to}", f"image={folder}/pictures", "format=npy", "video=true"]
    network = ["model=unisal", f"weights={folder}/weights.pth", "model.domain=DHF1K", "model.input_size=[64,96]"]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("predict", [*fixed, *network, *overrides])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_frame_follows_those_before_it_in_its_folder(folder, tmp_path, batch_size):
    maps = predict(config(folder, tmp_path, f"data.batch_size={batch_size}"))
    model = load_network("unisal", folder / "weights.pth", **SMALL)
    for video, names in FRAMES.items():
        pictures = [cv2.imread(str(folder / f"pictures/{video}/{name}.png"))[..., ::-1].copy() for name in names]
        frames = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        with torch.no_grad():
            expected, alone = model.clip(frames)[:, 0].numpy(), model(frames)[:, 0].numpy()
        written = np.stack([np.load(maps / video / f"{name}.npy") for name in names])
        np.testing.assert_allclose(written, expected, rtol=0, atol=1e-5 * expected.max())
        assert np.abs(expected - alone).max() > 1e-3 * expected.max()  # the recurrent unit tells


def test_a_map_that_was_taken_out_is_made_again_as_it_was(folder, tmp_path):
    maps = predict(config(folder, tmp_path))
    others = {path: path.stat().st_mtime_ns for path in maps.rglob("*.npy") if path.name != "frame10.npy"}
    before = np.load(maps / "b/frame10.npy")
    (maps / "b/frame10.npy").unlink()
    assert predict(config(folder, tmp_path)) == maps
    np.testing.assert_array_equal(np.load(maps / "b/frame10.npy"), before)
    assert {path: path.stat().st_mtime_ns for path in others} == others


@pytest.mark.parametrize(("overrides", "message"), [
    (["model.domain=SALICON"], "unisal takes only single images here; choose model=unisal model.domain=NAME of DHF1K"),
    (["submission=tuebingen"], "submissions need single images"),
])  # fmt: skip
def test_what_knows_no_videos_is_refused(folder, tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        predict(config(folder, tmp_path, *overrides))


def test_frames_of_two_sizes_are_no_video(folder, tmp_path):
    for height in (30, 40):
        cv2.imwrite(str(tmp_path / f"{height}.png"), np.zeros((height, 60, 3), np.uint8))
    with pytest.raises(UserError, match="one size, but 30 has 30 x 60 pixels and 40 has 40 x 60 pixels"):
        predict(config(folder, tmp_path / "out", f"image={tmp_path}"))

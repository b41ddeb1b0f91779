"""Weight files in many formats, intact, damaged and malicious: each gives the weights or one clear message."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import pytest
import torch
from tests.models.rule import unisal_state

from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.models import UNISAL, load_network
from explainsal.models.weights import read_weight_file


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Return UNISAL's complete state dict, by the rule."""
    return unisal_state(UNISAL().state_dict())


def legacy(content: object, path: Path, device: str = "cpu") -> Path:
    """Write a file as PyTorch 1.x did in March 2020: a sequence of pickles, then the storages of `device`."""
    torch.save(content, path, _use_new_zipfile_serialization=False)
    if device != "cpu":
        where, there = (b"X" + len(d).to_bytes(4, "little") + d.encode() for d in ("cpu", device))
        data = path.read_bytes().replace(where, there).replace(b"ctorch\nFloatStorage", b"ctorch.cuda\nFloatStorage")
        path.write_bytes(data.replace(b"ctorch\nLongStorage", b"ctorch.cuda\nLongStorage"))
    return path


WRITERS = {
    "new zip format": lambda state, path: torch.save(state, path),
    "old format": legacy,
    "old format, CUDA storages": lambda state, path: legacy(state, path, "cuda:0"),
    "training checkpoint": lambda state, path: torch.save(
        {"epoch": 15, "model_state_dict": state, "optimizer_state_dict": {"state": {}}, "best_val_score": -1.2}, path
    ),
    "state_dict of DataParallel": lambda state, path: torch.save(
        {"state_dict": {f"module.{key}": value for key, value in state.items()}}, path
    ),
    "this project's model": lambda state, path: torch.save({f"net.{k}": v for k, v in state.items()}, path),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_way_in_which_the_weights_are_written(state, tmp_path, writer):
    path = tmp_path / "weights_best.pth"
    WRITERS[writer](state, path)
    if "CUDA" in writer:
        assert b"cuda:0" in path.read_bytes()
        assert b"torch.cuda\nFloatStorage" in path.read_bytes()
    model = load_network("unisal", weights=path)
    loaded = model.net.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    assert {value.device.type for value in loaded.values()} == {"cpu"}
    assert (model.trained, model.weights) == (True, str(path))


@pytest.mark.parametrize("name", ["fmt_unisal_legacy_excerpt.pth", "fmt_unisal_legacy_cuda_excerpt.pth"])
def test_the_published_formats_samples(shared, state, name):
    found = read_weight_file(shared / "fixtures" / "networks" / name)
    assert len(found) == 31
    for key, value in found.items():
        assert torch.equal(value, state[key]), key


def changed(state, **changes):
    """Return a copy with replaced entries; None removes an entry."""
    return {key: value for key, value in {**state, **changes}.items() if value is not None}


FIRST, PRIORS = "cnn.features.0.0.weight", "coarse_gaussians_salicon"


@pytest.mark.parametrize(("changes", "message"), [
    ({FIRST: None}, rf"does not fit unisal with .*: it lacks 1 of 689 entries, the first is {FIRST}"),
    ({"extra.weight": torch.ones(1)}, r"1 of its entries are not the network's, the first is extra\.weight"),
    ({FIRST: torch.ones(32, 1, 3, 3)}, r"its cnn.*weight has the shape \(32, 1, 3, 3\) in place of \(32, 3, 3, 3\)"),
    ({FIRST: torch.ones(32, 3, 3, 3, dtype=torch.bool)}, r"its cnn.*weight has the type bool, which holds no weights"),
    ({FIRST: torch.ones(32, 3, 3, 3, dtype=torch.int8)}, r"its cnn.*weight has the type int8, which holds no weights"),
    ({FIRST: torch.ones(32, 3, 3, 3, dtype=torch.complex64)}, r"its cnn.*weight has the type complex64"),
    ({FIRST: torch.full((32, 3, 3, 3), torch.nan)}, r"its cnn.*weight holds NaN or infinity"),
    ({PRIORS: torch.full((16, 2, 2), torch.inf)}, r"its coarse_gaussians_salicon holds NaN or infinity"),
    ({PRIORS: "sixteen"}, r"its coarse_gaussians_salicon has the type str in place of \(16, 2, 2\)"),
])  # fmt: skip
def test_entries_that_do_not_fit_are_named_in_one_line(state, tmp_path, changes, message):
    torch.save(changed(state, **changes), tmp_path / "other.pth")
    with pytest.raises(CorruptFileError, match=message) as error:
        load_network("unisal", weights=tmp_path / "other.pth")
    assert len(str(error.value)) < 400 + len(str(tmp_path))


def test_nothing_is_loaded_of_a_file_that_does_not_fit(state, tmp_path):
    torch.save(changed(state, **{FIRST: None}), tmp_path / "other.pth")
    model = load_network("unisal")
    before = {key: value.clone() for key, value in model.net.state_dict().items()}
    with pytest.raises(CorruptFileError):
        model.load_weights(tmp_path / "other.pth")
    assert all(torch.equal(value, before[key]) for key, value in model.net.state_dict().items())
    assert not model.trained


def test_counters_of_batches_may_be_absent(state, tmp_path):
    torch.save({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, tmp_path / "old.pth")
    assert load_network("unisal", weights=tmp_path / "old.pth").trained


@pytest.mark.parametrize("legacy_format", [True, False])
@pytest.mark.parametrize("part", [0, 1e-6, 0.001, 0.02, 0.3, 0.7, 0.999])
def test_a_truncated_file(tmp_path, legacy_format, part):
    path = tmp_path / "weights.pth"
    torch.save({"w": torch.rand(4000), "b": torch.rand(50)}, path, _use_new_zipfile_serialization=not legacy_format)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(CorruptFileError, match=r"weights\.pth cannot be read as a weight file .*truncated"):
        load_network("unisal", weights=path)


@pytest.mark.parametrize("content", [
    b"<!DOCTYPE html><html>404</html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", b"\x00" * 100,
    b"PK\x03\x04" + b"\x00" * 60, pickle.dumps([1, 2], protocol=2),
])  # fmt: skip
def test_another_kind_of_file(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"weights\.pth (cannot be read as a weight file|holds a list)"):
        load_network("unisal", weights=tmp_path / "weights.pth")


@pytest.mark.parametrize("content", [{}, {"state_dict": {}}, {"epoch": 3}, {"model_state_dict": [1]}])
def test_a_file_without_weights(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(CorruptFileError, match="holds no weights"):
        load_network("unisal", weights=tmp_path / "weights.pth")


def test_a_folder_or_nothing_in_place_of_the_file(tmp_path):
    for path in (tmp_path, tmp_path / "absent.pth"):
        with pytest.raises(MissingFilesError, match="model=unisal weights=published"):
            load_network("unisal", weights=path)


class Hostile:
    """Object that writes a file when it is unpickled; `Path.touch` stands for any malicious code."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


@pytest.mark.parametrize("wrap", [lambda h: h, lambda h: {"weights": h}, lambda h: {"state_dict": {"a": h}}])
@pytest.mark.parametrize("legacy_format", [True, False])
def test_code_in_a_pickle_is_not_run_and_named(tmp_path, legacy_format, wrap):
    proof, path = tmp_path / "proof", tmp_path / "weights.pth"
    torch.save(wrap(Hostile(proof)), path, _use_new_zipfile_serialization=not legacy_format)
    with pytest.raises(CorruptFileError, match=r"it asks to run \w+\.open, which was not done"):
        load_network("unisal", weights=path)
    assert not proof.exists()
    torch.load(path, weights_only=False)  # the attack works
    assert proof.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_torch_did_not_write_is_not_run(tmp_path, protocol):
    proof, path = tmp_path / "proof", tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"state_dict": Hostile(proof)}, protocol))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CorruptFileError, match=r"^.*weights\.pth cannot be read as a weight file.*\n?$"):
            load_network("unisal", weights=path)
    assert not proof.exists()
    pickle.loads(path.read_bytes())  # the attack works
    assert proof.exists()


def encoder_file(path: Path, state, **changes) -> Path:
    """A file like the published ImageNet weights: no prefix ``cnn.``, a classifier, no counters, old format."""
    mine = {k.removeprefix("cnn."): v for k, v in state.items() if k.startswith("cnn.")}
    mine = {k: v for k, v in mine.items() if not k.endswith("num_batches_tracked")}
    classifier = {"classifier.1.weight": torch.rand(1000, 1280), "classifier.1.bias": torch.rand(1000)}
    return legacy(changed({**mine, **classifier}, **changes), path)


def test_the_encoder_that_a_training_starts_from(state, tmp_path):
    model = load_network("unisal", encoder=encoder_file(tmp_path / "mobilenet_v2.pth.tar", state))
    for key, value in model.net.cnn.state_dict().items():
        assert torch.equal(value, state[f"cnn.{key}"]), key
    assert not model.trained  # other entries are unchanged
    with pytest.raises(MissingFilesError, match="model.encoder=published fetches"):
        load_network("unisal", encoder=tmp_path / "absent.pth.tar")
    wrong = encoder_file(tmp_path / "other.pth.tar", state, **{"features.0.0.weight": None})
    with pytest.raises(CorruptFileError, match="UNISAL's encoder, MobileNetV2: it lacks 1 of 260 entries"):
        load_network("unisal", encoder=wrong)


@pytest.mark.parametrize("size", [(100, 128), (0, 32), (-32, 32), (64,), 64, "64", (64, 64.5), (32, 32, 32)])
def test_an_unsupported_size_of_the_input(size):
    for name, unit in (("unisal", 32), ("msinet", 8)):
        with torch.device("meta"), pytest.raises(ValueError, match=rf"multiples of {unit}, \[HEIGHT,WIDTH\], got"):
            load_network(name, input_size=size)

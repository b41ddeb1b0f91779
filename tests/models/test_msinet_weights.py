"""TensorFlow's graphs, read without TensorFlow: real excerpts, complete files of our own writer, damaged files."""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models import tensorflow_files as write
from tests.models.rule import in_tensorflow, msinet_variable

from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.models import MSINet, load_network
from explainsal.models.msinet_weights import read_network, variable_name
from explainsal.models.tensorflow import read_variables

EXCERPTS = {
    "fmt_frozen_graphdef_excerpt.pb": 26, "fmt_savedmodel_excerpt.pb": 26,
}  # fmt: skip
SMALL = {"conv1/conv1_1/kernel": np.arange(54, dtype=np.float32).reshape(3, 3, 3, 2),
         "conv1/conv1_1/bias": np.float32([1, 2]), "decoder/conv4/bias": np.float32([7])}  # fmt: skip


@pytest.fixture(scope="module")
def networks(shared) -> Path:
    return shared / "fixtures" / "networks"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return MSINet().state_dict()


@pytest.fixture(scope="module")
def variables(state) -> dict[str, np.ndarray]:
    names = {variable_name(key): in_tensorflow(value) for key, value in state.items()}
    return {name: msinet_variable(name, shape) for name, shape in names.items()}


@pytest.mark.parametrize("name", EXCERPTS)
def test_real_files(networks, name):
    checksums = {e["key"]: e["crc32"] for e in json.loads((networks / "msinet_manifest.json").read_text())["variables"]}
    found = read_variables(networks / name, list(checksums))
    assert len(found) == EXCERPTS[name]
    for key, value in found.items():
        assert f"{zlib.crc32(value.astype('<f4').tobytes()):08x}" == checksums[key], key


def test_every_format_of_an_own_writer(tmp_path):
    paths = [write.frozen_graph(tmp_path / "a.pb", SMALL), write.saved_model(tmp_path / "b", SMALL)]
    for path in paths:
        found = read_variables(path, list(SMALL))
        assert set(found) == set(SMALL)
        for name, value in SMALL.items():
            np.testing.assert_array_equal(found[name], value, err_msg=str(path))


def test_merged_constants_are_found_where_they_are_used(tmp_path):
    variables = {"aspp/conv1_1/bias": np.float32([1, 2]), "aspp/conv2/bias": np.float32([1, 2])}
    path = write.frozen_graph(tmp_path / "a.pb", variables, merged={"aspp/conv2/bias": "aspp/conv1_1/bias"})
    np.testing.assert_array_equal(read_variables(path, ["aspp/conv2/bias"])["aspp/conv2/bias"], [1, 2])


def test_a_ring_of_nodes_ends(tmp_path):
    ring = [write.node("a/BiasAdd", "BiasAdd", ("x", "p")), write.node("p", "Identity", ("q",))]
    ring.append(write.node("q", "Identity", ("p",)))
    (tmp_path / "a.pb").write_bytes(b"".join(write.blob(1, item) for item in ring))
    assert read_variables(tmp_path / "a.pb", ["a/bias"]) == {}


def test_a_constant_of_one_value_fills_its_shape(tmp_path):
    tensor = write.number(1, 1) + write.blob(2, write.shape((2, 3))) + write.blob(5, np.float32(4).tobytes())
    attribute = write.blob(5, write.blob(1, "value") + write.blob(2, write.blob(8, tensor)))
    (tmp_path / "a.pb").write_bytes(write.blob(1, write.node("w", "Const", (), attribute)))
    np.testing.assert_array_equal(read_variables(tmp_path / "a.pb", ["w"])["w"], np.full((2, 3), 4))


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("samples")
    write.saved_model(folder / "saved", SMALL)
    return {
        "graph": write.frozen_graph(folder / "a.pb", SMALL),
        "saved": folder / "saved" / "saved_model.pb",
    }


@pytest.mark.parametrize("kind", ["graph", "saved"])
@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_ends_in_one_kind_of_error(samples, kind, tmp_path, data):
    content = bytearray(samples[kind].read_bytes())
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)))):
        content[place] = value
    path = tmp_path / samples[kind].name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        for value in read_variables(path, list(SMALL)).values():
            assert value.dtype == np.float32
    except CorruptFileError:
        pass


@settings(max_examples=100, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_no_bytes_are_trusted(tmp_path, content):
    (tmp_path / "a.pb").write_bytes(content)
    with suppress(CorruptFileError):
        read_variables(tmp_path / "a.pb", list(SMALL))


def test_what_is_missing_is_named(tmp_path, state):
    path = write.frozen_graph(tmp_path / "a.pb", SMALL)
    with pytest.raises(CorruptFileError, match=r"lacks 43 of 46 variables, the first is conv1/conv1_2/kernel"):
        read_network(path, state)
    with pytest.raises(MissingFilesError, match="model=msinet"):
        load_network("msinet", weights=tmp_path / "none.pb")


def test_another_networks_shape_is_refused(tmp_path):
    state = {"conv1.conv1_1.bias": torch.zeros(3)}
    with pytest.raises(CorruptFileError, match=r"another network: conv1/conv1_1/bias has the shape \(2,\)"):
        read_network(write.frozen_graph(tmp_path / "a.pb", SMALL), state)


def test_a_conversion_is_used_while_the_file_stays_as_it_is(tmp_path):
    state = {"conv1.conv1_1.weight": torch.zeros(2, 3, 3, 3), "conv1.conv1_1.bias": torch.zeros(2)}
    path = write.frozen_graph(tmp_path / "a.pb", SMALL)
    first = read_network(path, state)
    assert first["conv1.conv1_1.weight"][1, 2, 0, 1].item() == SMALL["conv1/conv1_1/kernel"][0, 1, 2, 1]
    before = path.stat()
    path.write_bytes(b"\0" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert torch.equal(read_network(path, state)["conv1.conv1_1.bias"], first["conv1.conv1_1.bias"])
    os.utime(path, ns=(0, 0))
    with pytest.raises(CorruptFileError):
        read_network(path, state)


def test_a_conversion_that_cannot_be_written_is_made_again(tmp_path, caplog):
    path = write.frozen_graph(tmp_path / "a.pb", SMALL)
    (tmp_path / "a.pb.safetensors").mkdir()
    for _ in range(2):
        assert len(read_network(path, {"decoder.conv4.bias": torch.zeros(1)})) == 1
    assert "converted again next time" in caplog.text


@pytest.mark.slow
def test_a_whole_network(tmp_path, variables):
    model = load_network("msinet", weights=write.frozen_graph(tmp_path / "model_salicon_cpu.pb", variables))
    assert model.trained
    for key, value in model.net.state_dict().items():
        stored = torch.from_numpy(variables[variable_name(key)])
        assert torch.equal(value, stored.permute(3, 2, 0, 1) if stored.ndim == 4 else stored), key
    [converted] = tmp_path.rglob("*.safetensors")
    assert torch.equal(load_network("msinet", weights=converted).net.aspp.conv2.weight, model.net.aspp.conv2.weight)

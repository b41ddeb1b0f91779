"""Models by name and from files; damaged and foreign files."""

import pytest
import torch

from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.models import SaliencyModel, load_network


def checkpoint(model: SaliencyModel) -> dict:
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    return {"state_dict": state, "explainsal": {"name": model.name, "options": model.options}}


@pytest.fixture
def model():
    return load_network("cmrnet", width=4, input_size=(24, 32))


def test_a_checkpoint_rebuilds_the_same_function(tmp_path, model):
    torch.save(checkpoint(model), tmp_path / "best.ckpt")
    images = torch.rand(2, 3, 48, 50)
    restored = load_network(tmp_path / "best.ckpt")
    assert not restored.training
    assert restored.input_size == (24, 32)
    assert torch.equal(restored(images), model(images))


def test_a_bare_state_dict_fits_a_named_network(tmp_path, model):
    torch.save(model.net.state_dict(), tmp_path / "weights.pth")
    restored = load_network("cmrnet", weights=tmp_path / "weights.pth", width=4, input_size=(24, 32))
    images = torch.rand(1, 3, 24, 32)
    assert torch.equal(restored(images), model(images))


def test_maps_have_the_size_of_the_stimuli_and_uint8_equals_float(model):
    images = torch.randint(0, 256, (2, 3, 37, 45), dtype=torch.uint8)
    maps = model(images)
    assert maps.shape == (2, 1, 37, 45)
    assert maps.min() >= 0
    assert torch.equal(maps, model(images.float() / 255))


def test_floating_point_images_of_0_to_255_are_warned_of_once(model, caplog):
    images = torch.randint(0, 256, (2, 3, 37, 45), dtype=torch.uint8)
    for fine in (images, images / 255, 1.5 * torch.randn(1, 3, 24, 32).clamp(-2, 2)):
        model(fine)
    assert not caplog.messages
    for _ in range(2):
        model(images.float())
    assert len(caplog.messages) == 1
    assert "values up to 255; floating-point images are expected in 0 to 1: divide them by 255" in caplog.messages[0]


def test_errors_say_what_to_do(tmp_path, model):
    with pytest.raises(UserError, match="no model named 'resnet'; choose cmrnet"):
        load_network("resnet")
    with pytest.raises(MissingFilesError, match="train one: python -m explainsal.train"):
        load_network(tmp_path / "absent.ckpt")
    whole = tmp_path / "whole.ckpt"
    torch.save(checkpoint(model), whole)
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(CorruptFileError, match="truncated"):
        load_network(broken)
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(CorruptFileError, match="not written by explainsal.train"):
        load_network(tmp_path / "foreign.ckpt")
    with pytest.raises(CorruptFileError, match="does not fit"):
        load_network("cmrnet", weights=whole, width=8)
    with pytest.raises(ValueError, match="expected RGB images"):
        model(torch.rand(1, 1, 8, 8))


class Payload:
    def __reduce__(self):
        return (print, ("code from the weight file ran",))


def test_code_in_a_weight_file_is_not_run(tmp_path, capsys):
    torch.save({"state_dict": {}, "explainsal": Payload()}, tmp_path / "evil.ckpt")
    with pytest.raises(CorruptFileError):
        load_network(tmp_path / "evil.ckpt")
    assert "ran" not in capsys.readouterr().out


def test_a_network_without_weights_says_so_wherever_it_is_named(tmp_path, model):
    assert model.description == "untrained weights"
    torch.save(checkpoint(model), tmp_path / "best.ckpt")
    restored = load_network(tmp_path / "best.ckpt")
    assert (restored.trained, restored.description) == (True, "")


def test_a_checkpoint_of_another_input_size_is_loaded_with_a_warning(tmp_path, caplog, model):
    torch.save(checkpoint(model), tmp_path / "best.ckpt")
    load_network(tmp_path / "best.ckpt")
    load_network("cmrnet", tmp_path / "best.ckpt", width=4, input_size=(24, 32))
    assert not caplog.records
    load_network("cmrnet", tmp_path / "best.ckpt", width=4, input_size=(96, 128))
    (record,) = caplog.records
    assert "best.ckpt was trained with images of 24x32, and this cmrnet takes 96x128" in record.getMessage()

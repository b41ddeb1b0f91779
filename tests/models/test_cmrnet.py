"""CMRNet against the paper: its parameter count, its equations, any input size."""

import pytest
import torch
from torch.testing import assert_close

from explainsal.models import CMRNet, load_network
from explainsal.models.cmrnet import CMRBlock, DilatedInception
from explainsal.models.complexity import complexity


def test_has_the_papers_number_of_parameters():
    net = CMRNet()
    blocks = sum(p.numel() for block in (net.block1, net.block2, net.block3) for p in block.parameters())
    assert blocks == 2_139_456  # 2.14 M
    assert abs(sum(p.numel() for p in net.parameters()) / 2.5e6 - 1) < 0.02


def test_macs_follow_from_the_layers():
    net, (height, width) = CMRNet(width=8), (16, 24)
    weights = {name: p.numel() for name, p in net.named_parameters() if p.ndim == 4}
    pixels = {"stem": 1, "block1": 1, "block2": 4}  # the rest runs at a quarter of both sides
    expected = sum(n * height * width // pixels.get(name.split(".")[0], 16) for name, n in weights.items())
    assert complexity(net, (height, width)).macs == expected


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (33, 48), (64, 31)])
def test_any_input_size_comes_back_as_a_map_of_that_size(size):
    maps = CMRNet(width=4)(torch.rand(2, 3, *size))
    assert maps.shape == (2, 1, *size)
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_block_follows_equations_5_to_10():
    block, x = CMRBlock(4).double(), torch.randn(1, 4, 9, 8, dtype=torch.float64)
    conv = torch.nn.functional.conv2d
    t1 = conv(x, block.t1.weight, block.t1.bias, padding=1).clamp(min=0)
    f1 = conv(x, block.f1.weight, block.f1.bias, padding=2).clamp(min=0)
    t2 = conv(torch.cat([t1, f1], 1), block.t2.weight, block.t2.bias, padding=1).clamp(min=0)
    f2 = conv(torch.cat([t1, f1], 1), block.f2.weight, block.f2.bias, padding=2).clamp(min=0)
    fused = conv(torch.cat([t2, f2], 1), block.fuse.weight, block.fuse.bias)
    assert_close(block(x), fused + x, rtol=1e-12, atol=1e-12)


def test_dilated_inception_sums_three_rates():
    module = DilatedInception(3, 5)
    assert [branch[0].dilation[0] for branch in module.branches] == [4, 8, 16]
    x = torch.randn(2, 3, 40, 36)
    reduced = module.reduce(x)
    assert_close(module(x), torch.stack([b(reduced) for b in module.branches]).sum(0))


def test_no_deconvolution_and_no_batch_statistics():
    kinds = {type(m).__name__ for m in CMRNet().modules()}
    assert not {k for k in kinds if "Transpose" in k or "Norm" in k}


def test_a_map_does_not_depend_on_its_batch():
    net, images = CMRNet(width=4).double(), torch.rand(3, 3, 24, 32, dtype=torch.float64)
    assert_close(net(images)[1:2], net(images[1:2]), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("width", [0, -2, 7])
def test_a_wrong_width_is_refused(width):
    with pytest.raises(ValueError, match="width must be a positive even number"):
        CMRNet(width=width)


def test_predictions_are_the_same_with_channels_last_in_memory():
    model, images = load_network("cmrnet", width=8, input_size=(24, 32)).double(), torch.rand(2, 3, 40, 30)
    with torch.no_grad():
        expected = model(images.double())
        quick = model.for_prediction()
        assert quick.net.block1.t1.weight.is_contiguous(memory_format=torch.channels_last)
        assert_close(quick(images.double()), expected, rtol=1e-12, atol=1e-14)

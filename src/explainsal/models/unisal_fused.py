"""UNISAL for prediction alone: the same densities from fewer operations."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from explainsal.models.unisal import UNISAL
from explainsal.models.unisal_parts import DomainBatchNorm, InvertedResidual


def fused(net: UNISAL, domain: str) -> UNISAL:
    """A copy that predicts in one domain only, and whose layers are no longer those of the published network.

    Batch normalisations are folded into the convolutions before them. Where a block's map is subsampled and no skip
    looks at the full one (the encoder's blocks 2 and 4), the depthwise convolution has the stride 2 instead: a quarter
    of the places is computed, with the same values.

    Args:
        net: Left as it is.
        domain: Whose normalisations are folded in.
    """
    net = copy.deepcopy(net).eval()
    net.only_domain = domain
    for module in list(net.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module, domain)
    for i in net.cnn.unseen_in_full():
        block = net.cnn.features[i]
        assert isinstance(block, InvertedResidual)
        (spatial,) = (conv for conv in block.conv if isinstance(conv, nn.Conv2d) and conv.groups > 1)
        spatial.stride = (2, 2)
        net.cnn.subsampled.remove(i)
    return net


def _fold(row: nn.Sequential, domain: str) -> None:
    """Fold every normalisation in a row of modules into the convolution before it."""
    for i in range(1, len(row)):
        conv, norm = row[i - 1], row[i]
        norm = norm.get_submodule(f"bn_{domain}") if isinstance(norm, DomainBatchNorm) else norm
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            row[i - 1], row[i] = fuse_conv_bn_eval(conv, norm), nn.Identity()

"""Folding of UNISAL's batch normalizations into the preceding convolutions: same values, fewer operations."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from explainsal.models.unisal_parts import DomainBatchNorm


def fold(net: nn.Module, domain: str) -> None:
    """Fold every normalization that follows a convolution in a `Sequential`, in place.

    Args:
        net: Network in evaluation mode. Its layers then differ from those of the published network.
        domain: Domain of the folded normalizations, where each domain has its own.
    """
    for row in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for i in range(1, len(row)):
            conv, norm = row[i - 1], row[i]
            norm = norm.get_submodule(f"bn_{domain}") if isinstance(norm, DomainBatchNorm) else norm
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                row[i - 1], row[i] = fuse_conv_bn_eval(conv, norm), nn.Identity()

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Linear layers in int8, for CPUs without bf16 units: where most of a transformer's time goes."""

from __future__ import annotations

import warnings

from depthforge_ros.model.network import DepthForge
import torch
from torch import nn
from torch.ao.quantization import per_channel_dynamic_qconfig


def quantize(network: DepthForge) -> DepthForge:
    """
    Turn the linear layers of a network on a CPU to int8, in place; returns itself.

    Weights have one scale per output channel, activations one for each call, found as they come,
    so that nothing needs calibration. Convolutions, attention and norms stay in fp32.
    """
    with warnings.catch_warnings():
        # Its successor, torchao, is a package of its own, and fast only when compiled.
        warnings.simplefilter('ignore')
        torch.backends.quantized.engine = 'onednn'
        torch.ao.quantization.quantize_dynamic(
            network, {nn.Linear: per_channel_dynamic_qconfig}, inplace=True
        )
    return network

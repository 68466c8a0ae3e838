# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Linear layers in fp8, for TensorRT on GPUs that multiply it: Ada, Hopper and later."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
import importlib
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.model.network import DepthForge
import torch
from torch import Tensor

LAYERS = '*blocks.*'
"""Of both encoders: where nearly all products are."""
E4M3 = {'num_bits': (4, 3), 'axis': None}


def to_fp8(network: DepthForge, images: Iterable[Tensor]) -> DepthForge:
    """
    Round weights and inputs of the encoders' linear layers to E4M3, in place; returns itself.

    Each has one scale: its greatest value, of inputs that over `images`, uint8 (B, H, W, 3) RGB of
    the size to come. Run as it is, the network computes in its own precision what fp8 would give;
    exported (`exporting`), it tells TensorRT to multiply in fp8. Raises UserError where modelopt,
    which does this, is not installed.
    """
    modelopt = _modelopt()

    @torch.no_grad()
    def see_all(network: DepthForge) -> None:
        for image_BHW3 in images:
            network.decode(image_BHW3)

    off = {'quantizer_name': '*', 'enable': False}
    on = [
        {'quantizer_name': f'{LAYERS}{kind}_quantizer', 'parent_class': 'nn.Linear', 'cfg': E4M3}
        for kind in ('weight', 'input')
    ]
    quantized: DepthForge = modelopt.quantize(
        network, {'quant_cfg': [off, *on], 'algorithm': 'max'}, forward_loop=see_all
    )
    return quantized


def exporting() -> AbstractContextManager[None]:
    """Export the rounding as operators that TensorRT knows, while this lasts."""
    mode: AbstractContextManager[None] = _modelopt().utils.export_torch_mode()
    return mode


def _modelopt() -> Any:
    try:
        return importlib.import_module('modelopt.torch.quantization')
    except ImportError as error:
        raise UserError(
            'precision fp8 needs modelopt, which is not installed; pip install nvidia-modelopt, '
            'or use --precision fp16'
        ) from error

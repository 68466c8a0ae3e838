# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Engines that run a network operator by operator, and the one that `auto` takes of them."""

from __future__ import annotations

from depthforge_ros.engine.cuda_graph import CudaGraphEngine
from depthforge_ros.engine.precision import has_bf16_units, require_precision
from depthforge_ros.engine.torch_engine import Loaded, TorchEngine
from depthforge_ros.errors import UserError
from depthforge_ros.model.quantize import quantize
import torch


class EagerEngine(TorchEngine):
    """The reference: the network as it is, on any device, in full precision."""

    def __init__(self, loaded: Loaded, *, reason: str = 'asked for') -> None:
        if loaded.device.type == 'cuda':
            # The reference; by default convolutions round to TF32.
            torch.backends.cudnn.allow_tf32 = False
        super().__init__('eager', loaded, loaded.answering, reason=reason)


class Bf16Engine(TorchEngine):
    """Weights and activations in bfloat16, on CPUs that have units for it."""

    def __init__(self, loaded: Loaded, *, reason: str = 'asked for') -> None:
        if loaded.device.type != 'cpu':
            raise UserError(f'engine bf16 runs on cpu, not on {loaded.device}; use cuda_graph')
        require_precision('bf16', loaded.device)
        loaded.answering.network.lower(torch.bfloat16)
        super().__init__('bf16', loaded, loaded.answering, reason=reason)


class Int8Engine(TorchEngine):
    """Linear layers in int8, for large models on CPUs; see `model.quantize` for which."""

    def __init__(self, loaded: Loaded) -> None:
        if loaded.device.type != 'cpu':
            raise UserError(f'engine int8 runs on cpu, not on {loaded.device}; use tensorrt')
        quantize(loaded.answering.network)
        super().__init__('int8', loaded, loaded.answering)


def uncompiled(loaded: Loaded, reason: str = 'asked for') -> TorchEngine:
    """Take the fastest engine that needs no compiling; uses the weights of `loaded` up."""
    if not has_bf16_units(loaded.device):
        return EagerEngine(loaded, reason=reason)
    return (CudaGraphEngine if loaded.device.type == 'cuda' else Bf16Engine)(loaded, reason=reason)

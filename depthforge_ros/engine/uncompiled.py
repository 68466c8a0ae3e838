# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The engine that `auto` takes where nothing is compiled."""

from __future__ import annotations

from depthforge_ros.engine.bf16 import Bf16Engine
from depthforge_ros.engine.cuda_graph import CudaGraphEngine
from depthforge_ros.engine.eager import EagerEngine
from depthforge_ros.engine.precision import has_bf16_units
from depthforge_ros.engine.torch_engine import Loaded, TorchEngine


def uncompiled(loaded: Loaded, reason: str = 'asked for') -> TorchEngine:
    """Take the fastest engine that needs no compiling; uses the weights of `loaded` up."""
    if not has_bf16_units(loaded.device):
        return EagerEngine(loaded, reason=reason)
    return (CudaGraphEngine if loaded.device.type == 'cuda' else Bf16Engine)(loaded, reason=reason)

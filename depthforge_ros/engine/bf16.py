# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The network in bfloat16 on CPUs that have units for it; nothing to compile."""

from __future__ import annotations

from depthforge_ros.engine.precision import require_precision
from depthforge_ros.engine.torch_engine import load, Loaded, TorchEngine
from depthforge_ros.errors import UserError
import torch


class Bf16Engine(TorchEngine):
    """Runs a network with PyTorch, operator by operator, weights and activations in bfloat16."""

    def __init__(self, loaded: Loaded, *, reason: str = 'asked for') -> None:
        if loaded.device.type != 'cpu':
            raise UserError(f'engine bf16 runs on cpu, not on {loaded.device}; use cuda_graph')
        require_precision('bf16', loaded.device)
        loaded.answering.network.lower(torch.bfloat16)
        super().__init__('bf16', loaded, loaded.answering, reason=reason)

    @classmethod
    def load(
        cls, model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> Bf16Engine:
        """Load by name or checkpoint path; `device` is auto or cpu."""
        loaded = load(model, device='cpu' if device == 'auto' else device, threads=threads)
        return cls(loaded.sized(short_side))

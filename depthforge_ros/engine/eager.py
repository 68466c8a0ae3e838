# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The reference engine: the network as it is, on any device, in full precision."""

from __future__ import annotations

from depthforge_ros.engine.torch_engine import load, Loaded, TorchEngine
import torch


class EagerEngine(TorchEngine):
    """Runs a network with PyTorch, operator by operator, at any size."""

    def __init__(self, loaded: Loaded, *, reason: str = 'asked for') -> None:
        if loaded.device.type == 'cuda':
            # The reference; by default convolutions round to TF32.
            torch.backends.cudnn.allow_tf32 = False
        super().__init__('eager', loaded, loaded.answering, reason=reason)

    @classmethod
    def load(
        cls, model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> EagerEngine:
        """Load by name or checkpoint path; `device` is auto, cpu, or a CUDA device."""
        return cls(load(model, device=device, threads=threads).sized(short_side))

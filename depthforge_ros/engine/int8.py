# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The network with linear layers in int8, for large models on CPUs; nothing to compile."""

from __future__ import annotations

from depthforge_ros.engine.torch_engine import load, TorchEngine
from depthforge_ros.errors import UserError
from depthforge_ros.model.quantize import quantize


class Int8Engine(TorchEngine):
    """Answers a little differently from eager; see `model.quantize` for what is in int8."""

    @classmethod
    def load(
        cls, model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> Int8Engine:
        """Load by name or checkpoint path; `device` is auto or cpu."""
        loaded = load(model, device='cpu' if device == 'auto' else device, threads=threads)
        if loaded.device.type != 'cpu':
            raise UserError(f'engine int8 runs on cpu, not on {loaded.device}; use tensorrt')
        quantize(loaded.answering.network)
        return cls('int8', loaded.sized(short_side), loaded.answering)

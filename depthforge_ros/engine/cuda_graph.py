# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: the network in bf16, captured once for each batch shape, replayed as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from depthforge_ros.engine.precision import demand_precision
from depthforge_ros.engine.torch_engine import label_type, load, Loaded, TorchEngine
from depthforge_ros.errors import UserError
import torch
from torch import Tensor

WARM_UPS = 3
"""Runs before the capture, in which libraries choose kernels and allocate."""
MAX_GRAPHS = 8
"""Kept; a new batch shape replaces the one that was not seen for longest."""


class CudaGraphEngine(TorchEngine):
    """Replays captured graphs; a new batch shape costs one capture."""

    def __init__(self, loaded: Loaded, *, reason: str = 'asked for') -> None:
        super().__init__('cuda_graph', loaded, self._replay, reason=reason)
        if loaded.device.type != 'cuda':
            raise UserError(f'engine cuda_graph needs a GPU, not {loaded.device}; use eager')
        demand_precision('bf16', loaded.device)
        loaded.answering.network.lower(torch.bfloat16)
        self._answering = loaded.answering
        self._captured: dict[torch.Size, _Captured] = {}
        # Graphs run one after the other, so their intermediate results share memory.
        self._pool = torch.cuda.graph_pool_handle()

    @classmethod
    def load(
        cls, model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> CudaGraphEngine:
        """Load by name or checkpoint path onto a CUDA device."""
        loaded = load(model, device='cuda' if device == 'auto' else device, threads=threads)
        return cls(loaded.sized(short_side))

    def _replay(self, images: Tensor) -> Sequence[Tensor]:
        captured = self._captured.pop(images.shape, None)
        if captured is None:
            while len(self._captured) >= MAX_GRAPHS:
                del self._captured[next(iter(self._captured))]
            captured = _Captured(
                self._answering, images, self._pool, label_type=label_type(self.label_space)
            )
        self._captured[images.shape] = captured
        return captured(images)


class _Captured:
    """One graph with the memory that it reads from and writes to."""

    def __init__(
        self,
        answering: torch.nn.Module,
        images: Tensor,
        pool: Any,
        *,
        label_type: torch.dtype,
    ) -> None:
        self._images = images.clone()
        with torch.cuda.device(images.device):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UPS):
                    answering(self._images)
            torch.cuda.current_stream().wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, pool=pool, stream=stream):
                labels, *others = answering(self._images)
                self._answer = [labels.to(label_type), *others]

    def __call__(self, images: Tensor) -> Sequence[Tensor]:
        self._images.copy_(images)
        self._graph.replay()
        return self._answer

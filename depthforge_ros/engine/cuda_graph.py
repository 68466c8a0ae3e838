# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: the network in bf16, captured once for each batch shape, replayed as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from depthforge_ros.engine.precision import require_precision
from depthforge_ros.engine.torch_engine import label_type, load, Loaded, TorchEngine
from depthforge_ros.errors import is_of_memory, one_line, UserError
import torch
from torch import Tensor

WARM_UPS = 3
"""Runs before the capture, in which libraries choose kernels and allocate."""
MAX_GRAPHS = 16
"""Kept, enough for six cameras of two sizes; a new batch shape replaces the longest unseen."""


class CudaGraphEngine(TorchEngine):
    """Replays captured graphs; a new batch shape costs one capture."""

    def __init__(self, loaded: Loaded, *, reason: str = 'asked for') -> None:
        if loaded.device.type != 'cuda':
            raise UserError(f'engine cuda_graph needs a GPU, not {loaded.device}; use eager')
        require_precision('bf16', loaded.device)
        loaded.answering.network.lower(torch.bfloat16)
        graphs = _Graphs(loaded.answering, label_type(loaded.label_space))
        super().__init__('cuda_graph', loaded, graphs, reason=reason)

    @classmethod
    def load(
        cls, model: str, *, device: str, short_side: int | None, threads: int | None
    ) -> CudaGraphEngine:
        """Load by name or checkpoint path onto a CUDA device."""
        if not torch.cuda.is_available():
            raise UserError('engine cuda_graph needs an NVIDIA GPU, none is here; use engine auto')
        loaded = load(model, device='cuda' if device == 'auto' else device, threads=threads)
        return cls(loaded.sized(short_side))


class _Graphs:
    """A graph for each batch shape; they do not refer to the engine, so both are freed at once."""

    def __init__(self, answering: torch.nn.Module, labels: torch.dtype) -> None:
        self._answering = answering
        self._label_type = labels
        self._captured: dict[torch.Size, _Captured] = {}
        self._pool: Any = None

    def __call__(self, images: Tensor) -> Sequence[Tensor]:
        captured = self._captured.pop(images.shape, None)
        if captured is None:
            while len(self._captured) >= MAX_GRAPHS:
                del self._captured[next(iter(self._captured))]
            if not self._captured:
                # Graphs run one after the other, so their intermediate results share memory. A
                # pool whose graphs are all freed cannot be used again.
                self._pool = torch.cuda.graph_pool_handle()
            captured = self._capture(images)
        self._captured[images.shape] = captured
        return captured(images)

    def _capture(self, images: Tensor) -> _Captured:
        try:
            return _Captured(self._answering, images, self._pool, label_type=self._label_type)
        except RuntimeError as error:
            if is_of_memory(error):
                raise
            raise UserError(
                f'no CUDA graph can be captured here ({one_line(error)}); take engine eager'
            ) from error


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
            with torch.cuda.graph(
                self._graph, pool=pool, stream=stream, capture_error_mode='thread_local'
            ):
                labels, *others = answering(self._images)
                self._answer = [labels.to(label_type), *others]

    def __call__(self, images: Tensor) -> Sequence[Tensor]:
        self._images.copy_(images)
        self._graph.replay()
        return self._answer

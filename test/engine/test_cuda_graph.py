# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs without a GPU: a stand-in records the operators and replays them on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from depthforge_ros.engine import cuda_graph
from depthforge_ros.engine.cuda_graph import CudaGraphEngine
from depthforge_ros.engine.torch_engine import load, TorchEngine
from depthforge_ros.model import network as network_module
from depthforge_ros.model.answer import Answering
from depthforge_ros.model.registry import MODELS, outline
import numpy as np
import pytest
from support.engines import FRAMES
from support.networks import mini_checkpoint
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def tensors(*values: Any) -> list[Tensor]:
    return [one for one in tree_leaves(values) if isinstance(one, Tensor)]


class Graph:
    """Runs what was captured again, on the same memory: Python has no say in a replay."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def replay(self) -> None:
        for func, args, kwargs, outs in self.calls:
            for old, new in zip(outs, tensors(func(*args, **kwargs)), strict=True):
                if new.data_ptr() != old.data_ptr():
                    old.copy_(new)


class Capture(TorchDispatchMode):
    """Stands in for `torch.cuda.graph`."""

    def __init__(self, graph: Graph, **_: Any) -> None:
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.graph.calls.append((func, args, kwargs or {}, tensors(out)))
        return out


class Stream:
    def wait_stream(self, other: Any) -> None:
        pass


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CudaGraphEngine, TorchEngine]:
    """Make an engine whose GPU is the CPU, and what it must answer as."""
    mini_checkpoint(tmp_path / 'mini.safetensors')
    for name, value in {
        'device': lambda device: nullcontext(),
        'stream': lambda stream: nullcontext(),
        'Stream': Stream,
        'current_stream': Stream,
        'CUDAGraph': Graph,
        'graph': Capture,
        'graph_pool_handle': lambda: (0, 1),
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(cuda_graph, 'require_precision', lambda name, device: None)
    # A capture sees its own thread alone, and on a GPU both streams are in it.
    monkeypatch.setattr(network_module, 'can_run_in_parallel', lambda image: False)
    path = str(tmp_path / 'mini.safetensors')
    expected = load(path, device='cpu')
    expected.answering.network.lower(torch.bfloat16)
    made = CudaGraphEngine(replace(load(path, device='cpu'), device=torch.device('cuda', 0)))
    made.device = torch.device('cpu')
    return made, TorchEngine('expected', expected, expected.answering)


def answers(engine: TorchEngine, frames: np.ndarray) -> Sequence[np.ndarray]:
    one = engine(frames)
    return one.labels, one.confidence, one.entropy, one.inverse_depth, one.features


def test_a_replay_answers_the_new_frames(engine: tuple[CudaGraphEngine, TorchEngine]) -> None:
    graphs, expected = engine
    random = np.random.default_rng(1)
    shapes = [FRAMES.shape, (2, 56, 98, 3), FRAMES.shape, (1, 70, 98, 3), (2, 56, 98, 3)]
    for shape in shapes:
        frames = random.integers(0, 256, shape, np.uint8)
        for ours, theirs in zip(answers(graphs, frames), answers(expected, frames), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert len(graphs.run._captured) == 3


def test_the_shape_not_seen_for_longest_goes(
    engine: tuple[CudaGraphEngine, TorchEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_graph, 'MAX_GRAPHS', 2)
    graphs, _ = engine
    for count in (1, 2, 1, 3):
        graphs(np.repeat(FRAMES, count, axis=0))
    assert [shape[0] for shape in graphs.run._captured] == [1, 3]


class OneDevice(TorchDispatchMode):
    """Says which operators see a tensor on the CPU: they would break the capture of a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if any(one.device.type != 'meta' for one in tensors(args, kwargs, out)):
            self.elsewhere.append(str(func))
        return out


@pytest.mark.parametrize('model', MODELS)
@torch.no_grad()
def test_nothing_of_a_frame_is_on_another_device(model: str) -> None:
    # On `meta` nothing can be read back, as nothing may while a graph is captured. Not in
    # inference mode, which shows operators that are made of others as one.
    network = outline(model).eval().fold().to('meta').lower(torch.bfloat16)
    image = torch.zeros(2, 140, 280, 3, dtype=torch.uint8, device='meta')
    if network.config.encoder.patch != 14:
        image = torch.zeros(2, 128, 256, 3, dtype=torch.uint8, device='meta')
    with OneDevice() as watched:
        Answering(network)(image)
    assert not watched.elsewhere

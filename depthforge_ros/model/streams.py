# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
How the depth stream is run: before the visual stream, or in a thread beside it.

Products of some hundred rows do not fill many cores well, and every operator waits for its last
thread. On a CPU the depth stream and its head therefore run on half of the threads, while the
visual stream and its head follow on the other half: 1.2 times as fast on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
import threading
from typing import Protocol

from depthforge_ros.model.dpt import DepthMaps
import torch
from torch import Tensor

Steps = Iterator[Tensor | DepthMaps]
"""The depth stream's tokens (B, 1 + R + N, C) after every block, then what its head says."""


class DepthStream(Protocol):
    """What the depth stream says of a batch of frames."""

    def block(self, index: int) -> Tensor:
        """Tokens (B, 1 + R + N, C) that left a block."""

    def maps(self) -> DepthMaps:
        """Return what the depth head says; its depth is inverse depth."""

    def yield_threads(self) -> None:
        """Let the reader take the threads that are free: called between its operators."""


class KnownDepth:
    """A depth stream that has run."""

    def __init__(self, blocks: Mapping[int, Tensor], maps: DepthMaps | None) -> None:
        """Take tokens by block; without maps, nobody may ask for them."""
        self._blocks = blocks
        self._maps = maps

    @classmethod
    def of(cls, steps: Steps) -> KnownDepth:
        """Run all steps."""
        *blocks, maps = steps
        return cls(dict(enumerate(blocks)), maps)  # type: ignore[arg-type]

    def kept(self, blocks: Container[int] | None, dtype: torch.dtype) -> KnownDepth:
        """Keep the tokens of some blocks (None: of all) and the maps, in a precision."""
        tokens = {
            index: x_BNC.to(dtype)
            for index, x_BNC in self._blocks.items()
            if blocks is None or index in blocks
        }
        maps = None if self._maps is None else DepthMaps(*(x.to(dtype) for x in self._maps))
        return KnownDepth(tokens, maps)

    def replaced(self, blocks: Mapping[int, Tensor]) -> KnownDepth:
        """Take other tokens for some blocks."""
        return KnownDepth({**self._blocks, **blocks}, self._maps)

    def block(self, index: int) -> Tensor:
        """Tokens (B, 1 + R + N, C) that left a block."""
        return self._blocks[index]

    def maps(self) -> DepthMaps:
        """Return what the depth head says; its depth is inverse depth."""
        assert self._maps is not None
        return self._maps

    def yield_threads(self) -> None:
        """Do nothing: no thread is busy."""


class ParallelDepth:
    """A depth stream that another thread runs; reading a step waits for it."""

    def __init__(self, count: int) -> None:
        self._steps: list[Future[Tensor | DepthMaps]] = [Future() for _ in range(count + 1)]
        self._threads = torch.get_num_threads()

    def block(self, index: int) -> Tensor:
        """Tokens (B, 1 + R + N, C) that left a block."""
        return self._wait(index)  # type: ignore[return-value]

    def maps(self) -> DepthMaps:
        """Return what the depth head says; its depth is inverse depth."""
        return self._wait(-1)  # type: ignore[return-value]

    def yield_threads(self) -> None:
        """Give the reader all threads if the depth stream is done."""
        if self._steps[-1].done() and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)

    def fill(self, steps: Steps) -> None:
        """Run all steps; an error reaches who reads the next one."""
        try:
            for future, step in zip(self._steps, steps, strict=True):
                future.set_result(step)
        except Exception as error:
            for future in self._steps:
                if not future.done():
                    future.set_exception(error)

    def _wait(self, index: int) -> Tensor | DepthMaps:
        step = self._steps[index].result()
        self.yield_threads()
        return step


@contextmanager
def in_parallel(make: Callable[[], Steps], count: int) -> Iterator[ParallelDepth]:
    """Run the steps of `count` blocks on half of PyTorch's threads, and keep the others."""
    total = torch.get_num_threads()
    depth = ParallelDepth(count)
    is_inference = torch.is_inference_mode_enabled()

    def run() -> None:
        torch.set_num_threads(max(1, total // 2))
        with torch.inference_mode(is_inference), torch.no_grad():
            depth.fill(make())

    thread = threading.Thread(target=run, name='depth_stream', daemon=True)
    thread.start()
    torch.set_num_threads(total - total // 2)
    try:
        yield depth
    finally:
        thread.join()
        torch.set_num_threads(total)


def can_run_in_parallel(image: Tensor) -> bool:
    """Say whether threads of our own may run the streams: on CPUs, but not for the trainer."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return image.device.type == 'cpu' and torch.get_num_threads() > 1

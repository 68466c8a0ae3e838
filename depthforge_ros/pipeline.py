# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The only composition: frame -> preprocess -> engine -> postprocess, each stage timed."""

from __future__ import annotations

from dataclasses import dataclass
import gc
import logging
import time

from depthforge_ros.allocator import return_freed_memory
from depthforge_ros.engine.base import Engine, joined, NetworkOutput
from depthforge_ros.errors import is_of_memory, one_line, UserError
from depthforge_ros.postprocess import Result, to_camera
import numpy as np
import numpy.typing as npt
import torch

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timings:
    """Wall time of the stages of one frame."""

    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float

    @property
    def total_ms(self) -> float:
        """From the RGB frame to the result."""
        return self.preprocess_ms + self.inference_ms + self.postprocess_ms


class Pipeline:
    """Runs RGB frames of any size through one engine. Not thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.max_batch: int | None = None
        """Frames at once, since more did not fit into the memory."""

    def __call__(self, rgb: npt.NDArray[np.uint8]) -> tuple[Result, Timings]:
        """Answer RGB uint8 (H, W, 3) at its own resolution."""
        start = time.perf_counter()
        image, geometry = self.engine.preprocess(rgb)
        preprocessed = time.perf_counter()
        output = self.infer(image[None])
        inferred = time.perf_counter()
        result = to_camera(output, geometry).complete()
        done = time.perf_counter()
        timings = Timings(
            preprocess_ms=(preprocessed - start) * 1e3,
            inference_ms=(inferred - preprocessed) * 1e3,
            postprocess_ms=(done - inferred) * 1e3,
        )
        return result, timings

    def infer(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """
        Run network inputs uint8 (B, h, w, 3).

        A batch that does not fit into the memory is halved, once and from then on. Raises
        UserError if that is not enough, or if the device is gone.
        """
        try:
            return self._in_parts(images)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, torch.AcceleratorError) and not is_of_memory(error):
                raise UserError(
                    f'the device does not answer any more ({one_line(error)}); restart',
                    reason='device_lost',
                ) from error
            if not is_of_memory(error):
                raise
            count, height, width = images.shape[:3]
            if count == 1 or self.max_batch is not None:
                raise UserError(
                    f'the engine ran out of memory on {self.max_batch or count} x {height} x '
                    f'{width} pixels; lower short_side',
                    reason='out_of_memory',
                ) from error
            self.max_batch = (count + 1) // 2
            _logger.warning(
                'out of memory on a batch of %d frames; from now on at most %d at once',
                count,
                self.max_batch,
            )
        return self.infer(images)

    def _in_parts(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        step = self.max_batch or len(images)
        parts = [self.engine(images[at : at + step]) for at in range(0, len(images), step)]
        return parts[0] if len(parts) == 1 else joined(parts)


def release_memory() -> None:
    """Free the engines that nobody refers to any more, and give unused memory back."""
    gc.collect()
    return_freed_memory()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()

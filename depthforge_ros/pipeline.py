# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The only composition: frame -> preprocess -> engine -> postprocess, each stage timed."""

from __future__ import annotations

from dataclasses import dataclass
import gc
import time

from depthforge_ros.engine.base import Engine, NetworkOutput
from depthforge_ros.errors import UserError
from depthforge_ros.postprocess import Result, to_camera
import numpy as np
import numpy.typing as npt
import torch


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
        """Run network inputs uint8 (B, h, w, 3); raises UserError without memory."""
        try:
            return self.engine(images)
        except (MemoryError, torch.OutOfMemoryError) as error:
            count, height, width = images.shape[:3]
            raise UserError(
                f'the engine ran out of memory on {count} x {height} x {width} pixels; lower '
                'short_side',
                reason='out_of_memory',
            ) from error


def release_memory() -> None:
    """Free the engines that nobody refers to any more, and give unused GPU memory back."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()

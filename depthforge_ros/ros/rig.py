# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
All cameras of the node, and the one thread that answers their newest frames as a batch.

Frames of several cameras are decoded and published in parallel, one thread for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
import os
from threading import Barrier
import time
from typing import TypeVar
import weakref

from depthforge_ros.domain import DomainStatistics
from depthforge_ros.engine.sparse_depth import SparseDepthEngine
from depthforge_ros.errors import UserError
from depthforge_ros.frame import decode, rgb_from_bgr, rgb_from_decoded
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import to_camera
from depthforge_ros.preprocess import Geometry
from depthforge_ros.ros.camera import Camera, CameraModel, Frame
from depthforge_ros.ros.diagnostics.statistics import DEACTIVATED
from depthforge_ros.ros.node_protocol import CameraNode
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.parameters.lidar import TF
from depthforge_ros.ros.topics.transforms import Transforms
from depthforge_ros.ros.worker import Worker
import numpy as np
import numpy.typing as npt

DRAIN_TIMEOUT_S = 5.0
"""The longest that a deactivation waits for the batch in work."""
CLOSE_TIMEOUT_S = 0.6
"""The same where the process is to end; less than `executable.GRACE_S`."""
IN_WORK = 'still_in_work'
"""Reason of the UserError that passes by itself."""

T = TypeVar('T')
R = TypeVar('R')


def _start_threads(number: int) -> ThreadPoolExecutor:
    """Start all threads now: one that cannot be started later would end the worker."""
    threads = ThreadPoolExecutor(number, 'depthforge_frames')
    together = Barrier(number)
    try:
        list(threads.map(lambda _: together.wait(), range(number)))
    except RuntimeError:
        together.abort()
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    return threads


@dataclass(frozen=True)
class Prepared:
    """A frame that is ready for the engine."""

    camera: Camera
    config: NodeConfig
    """The camera's, from when the frame was taken to work."""
    frame: Frame
    rgb: Callable[[], npt.NDArray[np.uint8]]
    """Gives (H, W, 3), of the size that is published."""
    image: npt.NDArray[np.uint8]
    """(h, w, 3), as the network sees."""
    geometry: Geometry
    stages_ms: Mapping[str, float]


class Rig:
    """Created at configure, started at activate; nothing that a frame does ends its thread."""

    def __init__(
        self,
        node: CameraNode,
        configs: Mapping[str, NodeConfig],
        pipeline: Pipeline,
        domain: DomainStatistics | None,
    ) -> None:
        """`configs` has each camera's configuration, by its name."""
        self.cameras: list[Camera] = []
        self.worker: Worker[Camera, Frame] | None = None
        """That of the last start."""
        self._pipeline = pipeline
        self._configs = configs
        self._is_started = False
        self._transforms: Transforms | None = None
        """Of all cameras whose lidar_extrinsic is tf."""
        self._threads = _start_threads(min(len(configs), len(os.sched_getaffinity(0))))
        """The threads end with the rig."""
        engine = pipeline.engine
        model = CameraModel(engine.label_space, domain, engine.is_metric)
        try:
            if any(config.lidar_extrinsic == TF for config in configs.values()):
                # As in `Camera`: a frame that hangs must not keep the node.
                self._transforms = Transforms(weakref.proxy(node))
            for name, config in configs.items():
                self.cameras.append(Camera(node, name, config, model, self._transforms))
        except Exception:
            self.destroy()
            raise

    @property
    def busy_s(self) -> float:
        """Seconds that the batch in work has taken so far, 0 if there is none."""
        return 0.0 if self.worker is None else self.worker.busy_s

    @property
    def is_working(self) -> bool:
        """Whether the worker's thread runs; after `stop` only while a batch hangs in it."""
        return self.worker is not None and self.worker.is_alive

    @property
    def max_batch(self) -> int | None:
        """Frames at once since the memory ran out; None while that did not happen."""
        return self._pipeline.max_batch

    def reconfigure(self, configs: Mapping[str, NodeConfig]) -> None:
        """Take over the parameters that may change while frames come, of all cameras at once."""
        self._configs = configs
        for camera in self.cameras:
            camera.reconfigure(configs[camera.name])

    @property
    def hanging_batch(self) -> str:
        """Say what is wrong while a batch from before the last `stop` is in work; else empty."""
        return '' if self._is_started else describe_hanging_batch(self.worker)

    def start(self) -> None:
        """Subscribe; UserError while a batch of an earlier start still hangs."""
        if self.hanging_batch:
            raise UserError(self.hanging_batch, reason=IN_WORK)
        engine = self._pipeline.engine
        if isinstance(engine, SparseDepthEngine):
            engine.restart()
        self._is_started = True
        self.worker = Worker(self._answer)
        try:
            for camera in self.cameras:
                camera.subscribe(self.worker.put)
        except Exception:
            self.stop(is_closing=True)
            raise

    def stop(self, *, is_closing: bool) -> str:
        """
        Unsubscribe, wait for the batch in work for a while, and drop the frames that wait.

        Returns what is wrong; empty if the batch ended in time.
        """
        if self.worker is None or not self._is_started:
            return ''
        for camera in self.cameras:
            camera.unsubscribe()
        for camera in self.worker.stop(CLOSE_TIMEOUT_S if is_closing else DRAIN_TIMEOUT_S):
            camera.statistics.dropped(DEACTIVATED)
        self._is_started = False
        if not self.is_working:
            return ''
        return f'a frame has been in work for {self.busy_s:.0f} s and was left behind'

    def destroy(self) -> None:
        """Free the publishers and tf; nothing can be started again."""
        for camera in self.cameras:
            camera.destroy()
        if self._transforms is not None:
            self._transforms.destroy()
            self._transforms = None

    def _answer(self, frames: Mapping[Camera, Frame]) -> None:
        """Answer each frame, or count why not; frames of one network size are one batch."""
        configs = self._configs
        batches: dict[tuple[int, ...], list[Prepared]] = {}
        given = [(camera, frame, configs[camera.name]) for camera, frame in frames.items()]
        for prepared in self._in_parallel(self._prepare_or_drop, given):
            if prepared is not None:
                batches.setdefault(prepared.image.shape, []).append(prepared)
        for batch in batches.values():
            self._run(batch)

    def _in_parallel(self, action: Callable[[T], R], frames: Sequence[T]) -> list[R]:
        """Call `action` for the frames of all cameras in threads: OpenCV releases the GIL."""
        if len(frames) == 1:
            return [action(frames[0])]
        return list(self._threads.map(action, frames))

    def _prepare_or_drop(self, given: tuple[Camera, Frame, NodeConfig]) -> Prepared | None:
        """Make a frame ready, or count why not."""
        camera = given[0]
        try:
            if self._is_skipped(camera):
                camera.skip()
                return None
            return self._prepare(*given)
        except Exception as error:
            camera.drop(error)
            return None

    def _is_skipped(self, camera: Camera) -> bool:
        """Tell whether only depth has subscribers and this frame gets no new depth."""
        engine = self._pipeline.engine
        return (
            isinstance(engine, SparseDepthEngine)
            and camera.is_only_for_depth
            and engine.skip_frame()
        )

    def _prepare(self, camera: Camera, frame: Frame, config: NodeConfig) -> Prepared:
        begun_s = time.perf_counter()
        preprocess = self._pipeline.engine.preprocess
        read = partial(
            decode,
            frame.message,
            max_pixels=config.max_pixels,
            white_level=config.white_level,
        )
        decoded = read(shrink=preprocess.shrink)
        camera.warn_of(decoded)
        decoded_s = time.perf_counter()
        image, geometry = preprocess(decoded.pixels, shrunk=decoded.shrunk)
        if decoded.is_bgr:
            image = rgb_from_bgr(image)

        @cache
        def rgb() -> npt.NDArray[np.uint8]:
            if config.output_resolution == 'network':
                return image[: geometry.content_height, : geometry.content_width]
            # Few outputs show the image, and only their subscribers pay for all of it.
            return rgb_from_decoded(read())

        stages_ms = {
            'wait': (begun_s - frame.received_s) * 1e3,
            'decode': (decoded_s - begun_s) * 1e3,
            'preprocess': (time.perf_counter() - decoded_s) * 1e3,
        }
        return Prepared(camera, config, frame, rgb, image, geometry, stages_ms)

    def _run(self, batch: Sequence[Prepared]) -> None:
        """Answer a batch; one that fails goes frame by frame, so that each fails alone."""
        begun_s = time.perf_counter()
        try:
            output = self._pipeline.infer(np.stack([one.image for one in batch]))
        except Exception as error:
            if len(batch) == 1:
                batch[0].camera.drop(error)
                return
            for one in batch:
                self._run([one])
            return
        inference_ms = (time.perf_counter() - begun_s) * 1e3

        def publish(index: int) -> None:
            one = batch[index]
            try:
                result = to_camera(
                    output,
                    one.geometry,
                    index,
                    confidence_floor=one.config.confidence_floor,
                    at_network=one.config.output_resolution == 'network',
                    memory=one.camera.buffers,
                )
                one.camera.monitor.update(output, index)
                stages_ms = {**one.stages_ms, 'inference': inference_ms}
                alpha = one.config.overlay_alpha
                one.camera.publish(one.frame, one.rgb, result, stages_ms, overlay_alpha=alpha)
            except Exception as error:
                one.camera.drop(error)

        self._in_parallel(publish, range(len(batch)))


def describe_hanging_batch(worker: Worker[Camera, Frame] | None) -> str:
    """Say what is wrong while a stopped worker is still in a batch; empty once it has ended."""
    if worker is None or not worker.is_alive:
        return ''
    return (
        f'a frame from before deactivation has been in work for {worker.busy_s:.0f} s; restart '
        'the node if it does not end'
    )

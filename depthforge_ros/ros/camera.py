# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One camera's way through the node: newest frame -> worker -> pipeline -> publishers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_message
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import overlay, Result
from depthforge_ros.ros.diagnostics import one_line
from depthforge_ros.ros.messages import confidence_message, image_message
from depthforge_ros.ros.parameters import NodeConfig, OUTPUTS
from depthforge_ros.ros.statistics import Statistics
from depthforge_ros.ros.worker import Worker
import numpy as np
import numpy.typing as npt
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

MESSAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
DRAIN_TIMEOUT_S = 5.0
LOG_PERIOD_S = 5.0
"""Least time between two log lines about bad frames."""


@dataclass(frozen=True)
class Frame:
    """A message as it came from the subscription."""

    message: Any
    received_s: float
    """time.perf_counter() in the subscription's callback."""


class Camera:
    """Created at configure, started at activate; counts from configure to cleanup."""

    def __init__(self, node: Any, config: NodeConfig, pipeline: Pipeline) -> None:
        self.statistics = Statistics()
        self._node = node
        self._config = config
        self._pipeline = pipeline
        self._worker: Worker[Frame] | None = None
        self._subscription: Any = None
        self._publishers: dict[str, Any] = {}
        try:
            for name, topic in OUTPUTS.items():
                self._publishers[name] = _create(
                    node.create_lifecycle_publisher,
                    Image,
                    topic,
                    reliability=QoSReliabilityPolicy.RELIABLE,
                )
        except Exception:
            self.destroy()
            raise

    @property
    def topic(self) -> str:
        """Name of the input after remapping."""
        return str(self._node.resolve_topic_name('image'))

    @property
    def busy_s(self) -> float:
        """Seconds that the frame in work has taken so far, 0 if there is none."""
        return 0.0 if self._worker is None else self._worker.busy_s

    @property
    def is_working(self) -> bool:
        """Whether the worker's thread runs; after `stop` only while a frame hangs in it."""
        return self._worker is not None and self._worker.is_alive

    def start(self) -> None:
        """Subscribe; refused with UserError while a frame of an earlier start still hangs."""
        if self.is_working:
            raise UserError(
                f'a frame has been in work for {self.busy_s:.0f} s and cannot be ended; restart '
                'the node'
            )
        self._worker = Worker(self._answer)
        self._subscription = _create(
            self._node.create_subscription,
            MESSAGE_TYPES[self._config.image_transport],
            'image',
            self._receive,
            reliability=QoSReliabilityPolicy.BEST_EFFORT,
        )

    def stop(self) -> None:
        """Unsubscribe, answer the frame in work and drop the one that waits."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        if self._worker is None:
            return
        if self._worker.stop(DRAIN_TIMEOUT_S) is not None:
            self.statistics.dropped('deactivated')
        if self.is_working:
            self._node.get_logger().error(
                f'a frame has been in work for {self.busy_s:.0f} s and was left behind'
            )

    def destroy(self) -> None:
        """Free the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def _receive(self, message: Any) -> None:
        self.statistics.received()
        worker = self._worker
        if worker is not None and worker.put(Frame(message, time.perf_counter())) is not None:
            self.statistics.dropped('replaced')

    def _answer(self, frame: Frame) -> None:
        """Publish the answer or count why there is none; nothing that a frame does may raise."""
        try:
            stages_ms = self._process(frame)
        except UserError as error:
            self._drop(error.reason, error)
        except Exception as error:
            self._drop('internal_error', error)
        else:
            if stages_ms is None:
                self.statistics.dropped('deactivated')
            else:
                self.statistics.published(stages_ms)

    def _process(self, frame: Frame) -> dict[str, float] | None:
        """Return the milliseconds per stage, or None if the node was deactivated meanwhile."""
        begun_s = time.perf_counter()
        rgb = rgb_from_message(frame.message, max_pixels=self._config.max_pixels)
        decoded_s = time.perf_counter()
        result, timings = self._pipeline(rgb)
        inferred_s = time.perf_counter()
        if not self._publish(frame.message.header, rgb, result):
            return None
        done_s = time.perf_counter()
        return {
            'wait': (begun_s - frame.received_s) * 1e3,
            'decode': (decoded_s - begun_s) * 1e3,
            'preprocess': timings.preprocess_ms,
            'inference': timings.inference_ms,
            'postprocess': timings.postprocess_ms,
            'publish': (done_s - inferred_s) * 1e3,
            'latency': (done_s - frame.received_s) * 1e3,
            'age': self._age_ms(frame.message.header.stamp),
        }

    def _publish(self, header: Any, rgb: npt.NDArray[np.uint8], result: Result) -> bool:
        publishers = dict(self._publishers)
        if not publishers or not all(one.is_activated for one in publishers.values()):
            return False
        publishers['mask'].publish(image_message(header, encoding='mono8', pixels=result.labels))
        publishers['depth'].publish(
            image_message(header, encoding='32FC1', pixels=result.inverse_depth)
        )
        if publishers['confidence'].get_subscription_count():
            publishers['confidence'].publish(confidence_message(header, result.confidence))
        if publishers['entropy'].get_subscription_count():
            publishers['entropy'].publish(
                image_message(header, encoding='32FC1', pixels=result.entropy)
            )
        if publishers['overlay'].get_subscription_count():
            space, alpha = self._pipeline.engine.label_space, self._config.overlay_alpha
            painted = overlay(rgb, result.labels, space, alpha)
            publishers['overlay'].publish(image_message(header, encoding='rgb8', pixels=painted))
        return True

    def _age_ms(self, stamp: Any) -> float:
        now_ns = self._node.get_clock().now().nanoseconds
        return float(now_ns - (stamp.sec * 1_000_000_000 + stamp.nanosec)) / 1e6

    def _drop(self, reason: str, error: Exception) -> None:
        text = one_line(error)
        self.statistics.dropped(reason, text)
        self._node.get_logger().warning(
            f'frame dropped ({reason}): {text}', throttle_duration_sec=LOG_PERIOD_S
        )


def _create(create: Callable[..., Any], *args: Any, reliability: Any) -> Any:
    """Create a publisher or subscription that keeps the newest message, unless overridden."""
    qos = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=reliability)
    try:
        return create(
            *args, qos, qos_overriding_options=QoSOverridingOptions.with_default_policies()
        )
    except RuntimeError as error:
        if 'QoS override' not in str(error):
            raise
        raise UserError(
            f'{error} for topic {args[1]}; under qos_overrides, history is keep_last or keep_all, '
            'depth an integer and reliability reliable or best_effort'
        ) from error

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its subscription, its publishers and what became of its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
import math
import time
from typing import Any

from depthforge_ros.domain import DomainMonitor, DomainStatistics
from depthforge_ros.errors import is_of_memory, one_line, UserError
from depthforge_ros.labels import LabelSpace
from depthforge_ros.postprocess import Result
from depthforge_ros.ros.diagnostics.statistics import (
    DEACTIVATED,
    RATE_LIMITED,
    REPLACED,
    Statistics,
)
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.graph import missing_publisher
from depthforge_ros.ros.topics.label_info import create_label_info, label_info_message
from depthforge_ros.ros.topics.messages import ImageBuffers
from depthforge_ros.ros.topics.metric_depth import MetricDepth, MetricStatus
from depthforge_ros.ros.topics.names import camera_topic, DEPTH_OUTPUTS, METRIC_OUTPUTS, OUTPUTS
from depthforge_ros.ros.topics.outputs import Answer, BUILDERS
from depthforge_ros.ros.topics.qos import (
    create_publisher,
    create_subscription,
    duplicate_publishers,
    Endpoint,
)
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

MESSAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
LOG_PERIOD_S = 5.0
"""Least time between two log lines about bad frames of one camera, for the same reason."""


@dataclass(frozen=True)
class Frame:
    """A message as it came from the subscription."""

    message: Any
    received_s: float
    """time.perf_counter() in the subscription's callback."""


class Camera:
    """Created at configure, subscribed while active; counts from configure to cleanup."""

    def __init__(
        self,
        node: Any,
        config: Callable[[], NodeConfig],
        label_space: LabelSpace,
        domain: DomainStatistics | None,
        *,
        name: str,
        is_metric: bool,
        put: Callable[[Camera, Frame], Frame | None],
        is_watched: Callable[[], bool],
    ) -> None:
        """
        `config` gives the camera's present configuration.

        `put` hands a frame over and returns the one of this camera that it replaced; `is_watched`
        tells whether the figures of the frames have a reader.
        """
        self.name = name
        self.statistics = Statistics()
        self.monitor = DomainMonitor(domain)
        self.metric = MetricDepth(
            config(),
            label_space,
            is_metric=is_metric,
            info_topic=node.resolve_topic_name(camera_topic('camera_info', name)),
        )
        self._node = node
        self._config = config
        self._label_space = label_space
        self._put = put
        self.has_diagnostics_subscriber = is_watched
        self._logged_s: dict[str, float] = {}
        """perf_counter() of the last log line about frames, by what was wrong."""
        self._mismatched: dict[str, Endpoint] = {}
        """Ends of ours that did not fit another at some time, by topic."""
        self._taken_s = -math.inf
        """perf_counter() when the last frame was due that a limited rate let pass."""
        self.buffers = ImageBuffers()
        self._subscriptions: dict[str, Any] = {}
        """By topic, before remapping."""
        self._publishers: dict[str, Any] = {}
        self._label_info: Any = None
        try:
            for output, topic in OUTPUTS.items():
                self._publishers[output] = create_publisher(
                    node,
                    BUILDERS[output][0],
                    camera_topic(topic, name),
                    on_mismatch=self._on_mismatch,
                )
            self._label_info = create_label_info(node, camera=name, on_mismatch=self._on_mismatch)
        except Exception:
            self.destroy()
            raise

    @property
    def topic(self) -> str:
        """Name of the input after remapping."""
        return str(self._node.resolve_topic_name(camera_topic('image', self.name)))

    @property
    def is_only_for_depth(self) -> bool:
        """Whether a frame without a new depth is answered for nobody."""
        return not self.has_diagnostics_subscriber() and self._subscribed_outputs().issubset(
            DEPTH_OUTPUTS
        )

    @property
    def mismatches(self) -> list[str]:
        """What keeps others apart from an end of ours now, the input's first."""
        ends = sorted(self._mismatched.values(), key=lambda end: end.topic != self.topic)
        return [text for end in ends if (text := end.mismatch())]

    def missing_publisher(self) -> str:
        """Say why no image can come; empty where somebody sends them."""
        kind = MESSAGE_TYPES[self._config().image_transport]
        return missing_publisher(self._node, camera_topic('image', self.name), kind)

    def duplicate_publishers(self) -> list[str]:
        """Say of inputs that several nodes send them, where that is so."""
        inputs = dict(self._subscriptions)
        texts = (duplicate_publishers(self._node, topic, one) for topic, one in inputs.items())
        return [text for text in texts if text]

    def metric_status(self) -> MetricStatus:
        """Return what is to be said of metric depth, and why no camera_info can come."""
        status = self.metric.status
        if self.metric.has_info or not status.unavailable:
            return status
        reason = missing_publisher(self._node, camera_topic('camera_info', self.name), CameraInfo)
        return replace(status, unavailable=f'{status.unavailable}: {reason}') if reason else status

    def subscribe(self) -> None:
        """Say what the ids mean, and take frames from now on."""
        self.statistics.pause()
        self._taken_s = -math.inf
        if self._label_info is not None:
            self._label_info.publish(label_info_message(self._label_space))
        self._subscribe(MESSAGE_TYPES[self._config().image_transport], 'image', self._receive)
        if self.metric.is_enabled:
            self._subscribe(CameraInfo, 'camera_info', self.metric.take_info)

    def unsubscribe(self) -> None:
        """Take no more frames."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.popitem()[1])

    def destroy(self) -> None:
        """Free the publishers, and let go of the node."""
        self.unsubscribe()
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
        if self._label_info is not None:
            self._node.destroy_lifecycle_publisher(self._label_info)
            self._label_info = None
        self._mismatched.clear()
        del self._node, self.has_diagnostics_subscriber

    def answer(
        self,
        frame: Frame,
        rgb: Callable[[], npt.NDArray[np.uint8]],
        result: Result,
        stages_ms: Mapping[str, float],
        *,
        overlay_alpha: float,
    ) -> None:
        """Publish to those who subscribed, and count the frame with what each stage took."""
        begun_s = time.perf_counter()
        header = frame.message.header
        publishers = dict(self._publishers)
        metric = self.metric.measure(header, rgb, result)
        if self.metric.status.unavailable:
            self._warn('metric', self._metric_depth_warning)
        measured_s = time.perf_counter()
        answer = Answer(
            header, rgb, result, self._label_space, overlay_alpha, self.buffers, metric
        )
        # All are made before the first goes out: a frame is published whole, or dropped.
        messages = [
            (publisher, BUILDERS[name][1](answer))
            for name, publisher in publishers.items()
            if publisher.get_subscription_count()
        ]
        if not publishers or not all(one.is_activated for one in publishers.values()):
            self.statistics.dropped(DEACTIVATED)
            return
        for publisher, message in messages:
            if message is not None:
                publisher.publish(message)
        done_s = time.perf_counter()
        self.statistics.published(
            {
                **stages_ms,
                **({'metric': (measured_s - begun_s) * 1e3} if self.metric.is_enabled else {}),
                'publish': (done_s - measured_s) * 1e3,
                'latency': (done_s - frame.received_s) * 1e3,
                **self._age_ms(header.stamp),
            }
        )

    def skip(self) -> None:
        """Count a frame that nobody asked for."""
        self.statistics.skipped()

    def drop(self, error: Exception) -> None:
        """Count a frame that has no answer, and say why in one line."""
        if not self._publishers or not self._node.context.ok():  # nothing can be published
            self.statistics.dropped(DEACTIVATED)
            return
        reason, text = 'internal_error', one_line(error)
        if isinstance(error, UserError):
            reason = error.reason
        elif is_of_memory(error):
            reason = 'out_of_memory'
            text = f'memory ran out beside the engine ({text}); free some, or lower max_pixels'
        self.statistics.dropped(reason, text)
        self._warn(reason, lambda: f'frame dropped ({reason}) on {self.topic}: {text}')

    def _receive(self, message: Any) -> None:
        now_s = time.perf_counter()
        self.statistics.received()
        if not self._has_subscribers():
            self.skip()
        elif not self._passes_rate_limit(now_s):
            self.statistics.dropped(RATE_LIMITED)
        elif self._put(self, Frame(message, now_s)) is not None:
            self.statistics.dropped(REPLACED)

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> None:
        topic = camera_topic(topic, self.name)
        subscription = create_subscription(
            self._node, kind, topic, callback, on_mismatch=self._on_mismatch
        )
        self._subscriptions[topic] = subscription

    def _has_subscribers(self) -> bool:
        """Tell whether anybody subscribes to what an answer is published as."""
        return self.has_diagnostics_subscriber() or bool(self._subscribed_outputs())

    def _subscribed_outputs(self) -> set[str]:
        """Return the outputs that have subscribers, and can be made."""
        return {
            output
            for output, publisher in self._publishers.items()
            if publisher.get_subscription_count()
            and (self.metric.is_enabled or output not in METRIC_OUTPUTS)
        }

    def _passes_rate_limit(self, now_s: float) -> bool:
        """Tell whether the rate limit lets a frame pass; on average it is met exactly."""
        max_rate_hz = self._config().max_rate_hz
        if not max_rate_hz:
            return True
        period_s = 1.0 / max_rate_hz
        due_s = self._taken_s + period_s
        if now_s < due_s:
            return False
        is_late = now_s - due_s > period_s
        self._taken_s = now_s if is_late else due_s
        return True

    def _age_ms(self, stamp: Any) -> dict[str, float]:
        """Age of a frame; nothing for one without a stamp, or before /clock has come."""
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        now_ns = self._node.get_clock().now().nanoseconds
        return {'age': (now_ns - stamp_ns) / 1e6} if stamp_ns and now_ns else {}

    def _metric_depth_warning(self) -> str:
        return f'no metric depth for {self.topic}: {self.metric_status().unavailable}'

    def _warn(self, what: str, text: Callable[[], str]) -> None:
        """Log, unless the same was wrong a moment ago."""
        now_s = time.perf_counter()
        if now_s - self._logged_s.get(what, -math.inf) >= LOG_PERIOD_S:
            self._logged_s[what] = now_s
            self._node.get_logger().warning(text())

    def _on_mismatch(self, end: Endpoint) -> None:
        self._mismatched[end.topic] = end
        if text := end.mismatch():  # or else the other is gone already
            self.statistics.record_error(text)
            self._node.get_logger().error(text)

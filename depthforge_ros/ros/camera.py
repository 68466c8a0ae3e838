# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node: its subscription, its publishers and the counts of its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
import math
import time
from typing import Any
import weakref

from depthforge_ros.domain import DomainMonitor, DomainStatistics
from depthforge_ros.errors import is_of_memory, one_line, UserError
from depthforge_ros.frame import Decoded, stamp_ns
from depthforge_ros.labels import LabelSpace
from depthforge_ros.postprocess import Result
from depthforge_ros.ros.diagnostics.statistics import (
    DEACTIVATED,
    RATE_LIMITED,
    REPLACED,
    Statistics,
)
from depthforge_ros.ros.node_protocol import CameraNode
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.spatial import Spatial
from depthforge_ros.ros.topics.graph import missing_publisher
from depthforge_ros.ros.topics.label_info import create_label_info, label_info_message
from depthforge_ros.ros.topics.messages import ImageBuffers
from depthforge_ros.ros.topics.names import camera_topic, DEPTH_OUTPUTS, OUTPUTS
from depthforge_ros.ros.topics.output_status import OutputStatus
from depthforge_ros.ros.topics.outputs import Answer, BUILDERS
from depthforge_ros.ros.topics.qos import (
    create_publisher,
    create_subscription,
    duplicate_publishers,
    Endpoint,
)
from depthforge_ros.ros.topics.serialized import publish
from depthforge_ros.ros.topics.transforms import Transforms
import numpy as np
import numpy.typing as npt
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

MESSAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
LOG_PERIOD_S = 5.0
"""Least time between two log lines about bad frames of one camera, for the same reason."""


@dataclass(frozen=True)
class Frame:
    """A message as it came from the subscription."""

    message: Any
    received_s: float
    """time.perf_counter() in the subscription's callback."""


Put = Callable[['Camera', Frame], Frame | None]
"""Hands a frame over; returns the one of this camera that it replaced."""


@dataclass(frozen=True)
class CameraModel:
    """What a camera must know of the model that answers its frames."""

    label_space: LabelSpace
    domain: DomainStatistics | None
    """Of the training images; None where they are not known."""
    is_metric: bool
    """Whether its inverse depth is in 1/m already."""


class Camera:
    """Created at configure, subscribed while active; counts from configure to cleanup."""

    def __init__(
        self,
        node: CameraNode,
        name: str,
        config: NodeConfig,
        model: CameraModel,
        transforms: Transforms | None,
    ) -> None:
        if config.pixel_aligned:
            model.label_space.require_mono8()
        self.name = name
        self.config = config
        """The present one; `reconfigure` replaces it."""
        self.statistics = Statistics()
        self.monitor = DomainMonitor(model.domain)
        # The node owns its cameras: a frame that hangs must not keep the node.
        self._node: CameraNode = weakref.proxy(node)
        self.spatial = Spatial(
            self._node,
            name,
            config,
            model.label_space,
            is_metric=model.is_metric,
            transforms=transforms,
        )
        self.metric, self.lidar = self.spatial.metric, self.spatial.lidar
        self._disabled_outputs = self.spatial.disabled_outputs
        self.buffers = ImageBuffers()
        self._label_space = model.label_space
        self._logged_s: dict[str, float] = {}
        """perf_counter() of the last log line about frames, by what was wrong."""
        self._mismatched: dict[str, Endpoint] = {}
        """Endpoints of ours that did not fit another at some time, by topic."""
        self._taken_s = -math.inf
        """perf_counter() when the last frame was due that a limited rate let pass."""
        self._subscriptions: dict[str, Subscription] = {}
        """By topic, before remapping."""
        self._publishers: dict[str, Publisher] = {}
        self._label_info: Publisher | None = None
        try:
            self._create_publishers()
        except Exception:
            self.destroy()
            raise

    @property
    def topic(self) -> str:
        """Name of the input after remapping."""
        return str(self._node.resolve_topic_name(camera_topic('image', self.name)))

    @property
    def is_only_for_depth(self) -> bool:
        """Whether all subscribers want depth, so that a frame without a new one is of no use."""
        return self._subscribed_outputs() <= DEPTH_OUTPUTS and not self._is_monitored()

    @property
    def mismatches(self) -> list[str]:
        """Present mismatches of quality of service, that of the input first."""
        ends = sorted(self._mismatched.values(), key=lambda end: end.topic != self.topic)
        return [text for end in ends if (text := end.mismatch())]

    def missing_publisher(self) -> str:
        """Say why no image can come; empty where there is a publisher."""
        kind = MESSAGE_TYPES[self.config.image_transport]
        return missing_publisher(self._node, camera_topic('image', self.name), kind)

    def duplicate_publishers(self) -> list[str]:
        """Name the inputs that several nodes publish."""
        inputs = dict(self._subscriptions)
        texts = (duplicate_publishers(self._node, topic, one) for topic, one in inputs.items())
        return [text for text in texts if text]

    def reconfigure(self, config: NodeConfig) -> None:
        """Take over the parameters that may change while frames come."""
        before, self.config = self.config, config
        if before.max_rate_hz != config.max_rate_hz:
            self.statistics.pause()  # its rate so far is that of another limit
        if self._subscriptions and before.confidence_floor != config.confidence_floor:
            self._publish_label_info()

    def output_statuses(self) -> dict[str, OutputStatus]:
        """Return the status of each output that needs more than the image, by its key."""
        return self.spatial.statuses(subscribed=self._subscribed_outputs())

    def subscribe(self, put: Put) -> None:
        """Publish the names of the ids, and hand frames to `put` from now on."""
        self.statistics.pause()
        self._taken_s = -math.inf
        self._publish_label_info()
        receive = partial(self._receive, put)
        kind = MESSAGE_TYPES[self.config.image_transport]
        self._subscribe(kind, 'image', receive, on_lost=self.statistics.lost)
        for spatial_kind, topic, take in self.spatial.inputs():
            self._subscribe(spatial_kind, topic, take)

    def _publish_label_info(self) -> None:
        if self._label_info is not None:
            self._label_info.publish(
                label_info_message(
                    self._label_space,
                    threshold=self.config.confidence_floor,
                    stamp=self._node.get_clock().now().to_msg(),
                )
            )

    def unsubscribe(self) -> None:
        """Take no more frames."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.popitem()[1])
        self.lidar.forget()

    def destroy(self) -> None:
        """Free the publishers."""
        self.unsubscribe()
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
        if self._label_info is not None:
            self._node.destroy_lifecycle_publisher(self._label_info)
            self._label_info = None
        self._mismatched.clear()

    def publish(
        self,
        frame: Frame,
        rgb: Callable[[], npt.NDArray[np.uint8]],
        result: Result,
        stages_ms: Mapping[str, float],
        *,
        overlay_alpha: float,
    ) -> None:
        """Publish to the topics that have subscribers, and count the frame with its times."""
        begun_s = time.perf_counter()
        header = frame.message.header
        publishers, wanted = dict(self._publishers), self._subscribed_outputs()
        metric = self.metric.measure(header, rgb, result)
        if self.metric.status.unavailable:
            reason = self.spatial.metric_status
            self._warn(
                'metric', lambda: f'no metric depth for {self.topic}: {reason().unavailable}'
            )
        measured_s = time.perf_counter()
        answer = Answer(
            header, rgb, result, self._label_space, overlay_alpha, self.buffers, metric,
            partial(self.lidar.paint, header, rgb, result),
        )  # fmt: skip
        # All are made before the first goes out: a frame is published whole, or dropped.
        messages = [
            (publisher, BUILDERS[name][1](answer))
            for name, publisher in publishers.items()
            if name in wanted
        ]
        if not publishers or not all(one.is_activated for one in publishers.values()):
            self.statistics.dropped(DEACTIVATED)
            return
        for publisher, message in messages:
            if message is not None:
                publish(publisher, message)
        done_s = time.perf_counter()
        self.statistics.published(
            {
                **stages_ms,
                **({'metric': (measured_s - begun_s) * 1e3} if self.metric.is_enabled else {}),
                'publish': (done_s - measured_s) * 1e3,
                'latency': (done_s - frame.received_s) * 1e3,
                **self._age_ms(header),
            }
        )

    def skip(self) -> None:
        """Count a frame that has no subscriber."""
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

    def warn_of(self, decoded: Decoded) -> None:
        """Say once what is odd about images that are answered all the same."""
        if decoded.warning and 'image' not in self._logged_s:
            self._warn('image', lambda: f'{self.topic}: {decoded.warning}')

    def _create_publishers(self) -> None:
        for output, topic in OUTPUTS.items():
            self._publishers[output] = create_publisher(
                self._node,
                BUILDERS[output][0],
                camera_topic(topic, self.name),
                on_mismatch=self._on_mismatch,
            )
        self._label_info = create_label_info(
            self._node, camera=self.name, on_mismatch=self._on_mismatch
        )

    def _receive(self, put: Put, message: Any) -> None:
        now_s = time.perf_counter()
        self.statistics.received()
        if not self._has_subscribers():
            self.skip()
        elif not self._passes_rate_limit(now_s):
            self.statistics.dropped(RATE_LIMITED)
        elif put(self, Frame(message, now_s)) is not None:
            self.statistics.dropped(REPLACED)

    def _subscribe(
        self, kind: type, topic: str, callback: Callable[[Any], None], **options: Any
    ) -> None:
        topic = camera_topic(topic, self.name)
        self._subscriptions[topic] = create_subscription(
            self._node, kind, topic, callback, on_mismatch=self._on_mismatch, **options
        )

    def _has_subscribers(self) -> bool:
        """Tell whether an output or the diagnostics have a subscriber."""
        return self._is_monitored() or bool(self._subscribed_outputs())

    def _is_monitored(self) -> bool:
        return self._node.has_diagnostics_subscriber()

    def _subscribed_outputs(self) -> set[str]:
        """Return the outputs that have subscribers and can be computed."""
        publishers = dict(self._publishers)
        wanted = {name for name, one in publishers.items() if one.get_subscription_count()}
        return wanted - self._disabled_outputs

    def _passes_rate_limit(self, now_s: float) -> bool:
        """Tell whether the rate limit lets a frame pass; on average it is met exactly."""
        max_rate_hz = self.config.max_rate_hz
        if not max_rate_hz:
            return True
        period_s = 1.0 / max_rate_hz
        due_s = self._taken_s + period_s
        if now_s < due_s:
            return False
        is_late = now_s - due_s > period_s
        self._taken_s = now_s if is_late else due_s
        return True

    def _age_ms(self, header: Any) -> dict[str, float]:
        """Return the age of a frame; empty without a stamp, or before /clock has come."""
        taken_ns, now_ns = stamp_ns(header), self._node.get_clock().now().nanoseconds
        return {'age': (now_ns - taken_ns) / 1e6} if taken_ns and now_ns else {}

    def _warn(self, what: str, text: Callable[[], str]) -> None:
        """Log a warning, at most once in LOG_PERIOD_S for the same reason."""
        now_s = time.perf_counter()
        if now_s - self._logged_s.get(what, -math.inf) >= LOG_PERIOD_S:
            self._logged_s[what] = now_s
            self._node.get_logger().warning(text())

    def _on_mismatch(self, end: Endpoint) -> None:
        self._mismatched[end.topic] = end
        if text := end.mismatch():  # empty if the other end is gone already
            self.statistics.record_error(text)
            self._node.get_logger().error(text)

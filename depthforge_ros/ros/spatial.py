# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What one camera needs beside its images for metres: calibration, scale and LiDAR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import replace
from typing import Any

from depthforge_ros.labels import LabelSpace
from depthforge_ros.ros.node_protocol import TopicNode
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.calibration import Calibration
from depthforge_ros.ros.topics.graph import missing_publisher
from depthforge_ros.ros.topics.lidar import LidarPainter
from depthforge_ros.ros.topics.metric_depth import MetricDepth
from depthforge_ros.ros.topics.names import camera_topic, METRIC_OUTPUTS
from depthforge_ros.ros.topics.output_status import OutputStatus
from depthforge_ros.ros.topics.transforms import Transforms
from sensor_msgs.msg import CameraInfo, PointCloud2


class Spatial:
    """Created with its camera."""

    def __init__(
        self,
        node: TopicNode,
        name: str,
        config: NodeConfig,
        space: LabelSpace,
        *,
        is_metric: bool,
        transforms: Transforms | None,
    ) -> None:
        """`is_metric` says that the model's inverse depth is in 1/m already."""
        self._node, self._name = node, name
        self.calibration = Calibration(
            info_topic=node.resolve_topic_name(camera_topic('camera_info', name)),
            is_rectified=config.image_rectified,
        )
        self.metric = MetricDepth(config, space, is_metric=is_metric, calibration=self.calibration)
        self.lidar = LidarPainter(
            config,
            calibration=self.calibration,
            topic=node.resolve_topic_name(camera_topic('lidar', name)),
            lookup=transforms,
        )

    @property
    def disabled_outputs(self) -> frozenset[str]:
        """Return the outputs that are off by the parameters, whose subscribers get nothing."""
        disabled = set() if self.metric.is_enabled else {*METRIC_OUTPUTS}
        if not self.metric.has_grid:
            disabled.add('grid')
        if not self.lidar.is_enabled:
            disabled.add('lidar_points')
        return frozenset(disabled)

    def statuses(self, *, subscribed: Set[str]) -> dict[str, OutputStatus]:
        """Return the status of each output by its key on /diagnostics."""
        is_idle = self.lidar.is_enabled and 'lidar_points' not in subscribed
        return {
            'metric_depth': self.metric_status(),
            'grid': self.metric.grid_status,
            # What was told while there was a subscriber may be of long ago.
            'lidar': OutputStatus() if is_idle else self._lidar_status(),
        }

    def inputs(self) -> Iterator[tuple[type, str, Callable[[Any], None]]]:
        """Give type, topic and callback of what is to be read, before the camera's name."""
        if self.metric.is_enabled or self.lidar.is_enabled:
            yield CameraInfo, 'camera_info', self.calibration.take_info
        if self.lidar.is_enabled:
            yield PointCloud2, 'lidar', self.lidar.take

    def metric_status(self) -> OutputStatus:
        """Return the status of metric depth, with the reason where no camera_info can come."""
        is_missing = not self.calibration.has_info
        return self._with_reason(self.metric.status, 'camera_info', CameraInfo, is_missing)

    def _lidar_status(self) -> OutputStatus:
        """Return the status of painted points, with the reason where none can come."""
        is_missing = not self.lidar.has_points
        return self._with_reason(self.lidar.status, 'lidar', PointCloud2, is_missing)

    def _with_reason(
        self, status: OutputStatus, topic: str, kind: type, is_missing: bool
    ) -> OutputStatus:
        """Add why no message of an input can come, where none has."""
        if not (is_missing and status.unavailable):
            return status
        reason = missing_publisher(self._node, camera_topic(topic, self._name), kind)
        return replace(status, unavailable=f'{status.unavailable}: {reason}') if reason else status

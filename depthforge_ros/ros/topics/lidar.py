# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The points of a LiDAR, painted with the answers to a camera's frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.frame import stamp_ns
from depthforge_ros.geometry.painting import painted_points
from depthforge_ros.postprocess import Result
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.calibration import Calibration
from depthforge_ros.ros.topics.messages import cloud_message
from depthforge_ros.ros.topics.output_status import OutputStatus
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

KEPT = 10
"""Newest messages that are kept: one second of most LiDARs."""
SILENT_S = 1.0
"""Points older than this, beside the image, are those of a LiDAR that has fallen silent."""
FLOATS = {PointField.FLOAT32: 'f4', PointField.FLOAT64: 'f8'}
OFF = 'off: set lidar_extrinsic'

Lookup = Callable[[str, Header], npt.NDArray[np.float32]]
"""Gives the transform (3, 4) into a frame from that of a message, or raises UserError."""


class LidarPainter:
    """Takes points from the executor's thread, and paints them in the worker's."""

    def __init__(
        self, config: NodeConfig, *, calibration: Calibration, topic: str, lookup: Lookup | None
    ) -> None:
        """`lookup` asks tf, where no extrinsic is given; `topic` is resolved."""
        self.is_enabled = bool(config.lidar_extrinsic)
        self.status = OutputStatus(disabled='' if self.is_enabled else OFF)
        self._fixed = config.camera_from_lidar
        self._lookup = lookup
        self._limit_ms = config.lidar_max_offset_ms
        self._calibration = calibration
        self._topic = topic
        self._clouds: deque[PointCloud2] = deque(maxlen=KEPT)
        self._painted: PointCloud2 | None = None

    @property
    def has_points(self) -> bool:
        """Whether points have come."""
        return bool(self._clouds)

    def take(self, message: PointCloud2) -> None:
        """Keep the newest points."""
        self._clouds.append(message)

    def forget(self) -> None:
        """Free the points."""
        self._clouds.clear()
        self._painted = None

    def paint(
        self, header: Header, rgb: Callable[[], npt.NDArray[np.uint8]], result: Result
    ) -> PointCloud2 | None:
        """Return the points nearest in time, each once; None says why in `status`, if need be."""
        try:
            cloud, offset_ms = self._nearest(header)
            if cloud is None:
                return None
            painted = painted_points(
                xyz_of(cloud),
                self._calibration.view(result).project,
                camera_from_lidar=self._camera_from_lidar(header.frame_id, cloud.header),
                rgb=rgb(),
                labels=result.labels,
                confidence=result.confidence,
            )
        except UserError as error:
            self.status = OutputStatus(one_line(error))
            return None
        self._painted = cloud
        self.status = OutputStatus(figures={'lidar_offset_ms': offset_ms})
        return cloud_message(cloud.header, painted)

    def _nearest(self, header: Header) -> tuple[PointCloud2 | None, float]:
        """Return the points to paint and their offset; None where they were painted before."""
        clouds = list(self._clouds)
        if not clouds:
            raise UserError(f'no points have come on {self._topic}')
        offsets_ms = [(stamp_ns(one.header) - stamp_ns(header)) / 1e6 for one in clouds]
        best = int(np.argmin(np.abs(offsets_ms)))
        cloud, offset_ms = clouds[best], offsets_ms[best]
        limit_ms = SILENT_S * 1e3 if cloud is self._painted else self._limit_ms
        if abs(offset_ms) > limit_ms:
            raise UserError(
                f'the stamps of the nearest points on {self._topic} and of the image are '
                f'{abs(offset_ms):.0f} ms apart, at most {self._limit_ms:g} ms may be; look at '
                'both clocks, or raise lidar_max_offset_ms'
            )
        return (None if cloud is self._painted else cloud), offset_ms

    def _camera_from_lidar(self, frame: str, source: Header) -> npt.NDArray[np.float32]:
        if self._fixed is not None:
            return self._fixed
        assert self._lookup is not None
        return self._lookup(frame, source)


def xyz_of(message: PointCloud2) -> npt.NDArray[np.float32]:
    """Return the places (3, N) in a message, metres; UserError for one that has none."""
    kinds = {one.name: one for one in message.fields}
    order = '>' if message.is_bigendian else '<'
    formats, offsets = [], []
    for name in 'xyz':
        one = kinds.get(name)
        size = 0 if one is None else int(FLOATS.get(one.datatype, 'f0')[1:])
        if one is None or not size or one.offset + size > message.point_step:
            raise UserError(
                f'points on lidar have no {name} as a number with a fraction within their '
                f'{message.point_step} bytes; publish x, y and z as FLOAT32'
            )
        formats.append(f'{order}f{size}')
        offsets.append(one.offset)
    row, step = message.row_step, message.point_step
    if row < message.width * step or len(message.data) < row * message.height:
        raise UserError(
            f'points on lidar are cut: {len(message.data)} bytes for {message.height} rows '
            f'of {message.width} points, {step} bytes each'
        )
    layout = np.dtype(
        {'names': ['x', 'y', 'z'], 'formats': formats, 'offsets': offsets, 'itemsize': step}
    )
    shape = message.height, message.width
    points: npt.NDArray[np.void] = np.ndarray(shape, layout, message.data, strides=(row, step))
    return np.stack([points[name].astype(np.float32).ravel() for name in 'xyz'])

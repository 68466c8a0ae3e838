# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Transforms of tf, where tf2_ros is installed: pip has none of it, every ROS installation has."""

from __future__ import annotations

import importlib
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.ros.node_protocol import TopicNode
import numpy as np
import numpy.typing as npt
from rclpy.time import Time
from std_msgs.msg import Header


class Transforms:
    """Listens to tf from its creation to `destroy`, for all cameras of a node."""

    def __init__(self, node: TopicNode) -> None:
        """Raise UserError where tf2_ros is missing."""
        try:
            tf2_ros: Any = importlib.import_module('tf2_ros')
        except ImportError as error:
            raise UserError(
                'lidar_extrinsic is tf, and tf2_ros is not installed; install '
                'ros-jazzy-tf2-ros-py, or give lidar_extrinsic as 12 numbers'
            ) from error
        self._error = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def __call__(self, target: str, source: Header) -> npt.NDArray[np.float32]:
        """Return the transform (3, 4) from a message's frame at its stamp, or UserError."""
        try:
            found = self._buffer.lookup_transform(
                target, source.frame_id, Time.from_msg(source.stamp)
            ).transform
        except self._error as error:
            reason = ' '.join(str(error).split())
            raise UserError(
                f'tf has no way from {source.frame_id!r} to {target!r} at the stamp of the '
                f'points ({reason}); publish it, or give lidar_extrinsic as 12 numbers'
            ) from error
        return _matrix(found.rotation, found.translation)

    def destroy(self) -> None:
        """Listen no more."""
        self._listener.unregister()


def _matrix(rotation: Any, translation: Any) -> npt.NDArray[np.float32]:
    """Return (3, 4) of a quaternion of any length but 0, and a translation."""
    q = np.array([rotation.x, rotation.y, rotation.z, rotation.w])
    x, y, z, w = q / np.linalg.norm(q)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned = np.eye(3) + 2.0 * (w * cross + cross @ cross)
    place = translation.x, translation.y, translation.z
    return np.column_stack([turned, place]).astype(np.float32)

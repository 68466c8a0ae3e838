# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Points of a LiDAR -> the same points with class, confidence and colour of their pixels."""

from __future__ import annotations

from typing import Any

from depthforge_ros.geometry.points import point
from depthforge_ros.geometry.projection import Projector
import numpy as np
import numpy.typing as npt


def painted_points(
    xyz: npt.NDArray[np.float32],
    project: Projector,
    *,
    camera_from_lidar: npt.NDArray[np.float32],
    rgb: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.unsignedinteger[Any]],
    confidence: npt.NDArray[np.float32],
) -> npt.NDArray[np.void]:
    """
    Return the points in view (1, M), as `geometry.points.point` lays them out.

    `xyz` (3, N) and the result are metres in the LiDAR's frame, in the same order;
    `camera_from_lidar` (3, 4) moves them into the optical frame. `rgb` (H, W, 3), `labels` and
    `confidence` (H, W) are planes of the projector's camera.
    """
    rotation, translation = camera_from_lidar[:, :3], camera_from_lidar[:, 3:]
    index, pixel = project(rotation @ xyz + translation)
    painted: npt.NDArray[np.void] = np.empty((1, len(index)), point(labels.dtype))
    seen = painted[0]
    for axis, name in enumerate(('x', 'y', 'z')):
        seen[name] = xyz[axis, index]
    red, green, blue = (rgb.reshape(-1, 3)[pixel].T).astype(np.uint32)
    seen['rgb'] = (red << 16) | (green << 8) | blue
    seen['label'] = labels.ravel()[pixel]
    seen['confidence'] = confidence.ravel()[pixel]
    return painted

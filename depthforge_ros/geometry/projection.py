# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Points -> the pixels that they fall on, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera
import numpy as np
import numpy.typing as npt

MIN_DEPTH_M = 0.1
"""Nearer points, and those behind the camera, have no pixel."""
MARGIN = 0.01
"""Slope beyond the outermost rays up to which a point may still round to their pixels."""
MAX_ROTATION_ERROR = 1e-3
"""Of R R^T from the identity, per element: what rounding to four digits leaves."""


def rigid_transform(numbers: Sequence[float], *, name: str) -> npt.NDArray[np.float32]:
    """
    Return the transform (3, 4) of three rows of rotation and translation in metres.

    `name` is what UserError calls them, where they are no rigid motion.
    """
    if len(numbers) != 12:
        raise UserError(
            f'{name} has {len(numbers)} numbers; 12 are needed, three rows of a rotation and a '
            'translation in metres'
        )
    transform = np.reshape(np.asarray(numbers, np.float64), (3, 4))
    rotation = transform[:, :3]
    error = np.abs(rotation @ rotation.T - np.eye(3)).max()
    # A NaN fails both comparisons.
    if not (error < MAX_ROTATION_ERROR and np.linalg.det(rotation) > 0.0):
        raise UserError(
            f'{name} is no rotation: its rows and columns must be perpendicular, of length 1 and '
            'right-handed; take the 3 x 4 matrix of the calibration as it is'
        )
    return transform.astype(np.float32)


class Projector:
    """Projects points of the optical frame into one camera."""

    def __init__(self, camera: Camera, rays: npt.NDArray[np.float32], *, rectified: bool) -> None:
        """
        `rays` (H, W, 2) are `Camera.rays`.

        A lens model maps points far outside its field of view back into the image, so no point
        beyond all rays has a pixel.
        """
        self._camera = camera
        self._matrix = camera.matrix(rectified=rectified)
        self._is_pinhole = camera.is_pinhole(rectified=rectified)
        self._low = np.nanmin(rays, axis=(0, 1)) - np.float32(MARGIN)
        self._high = np.nanmax(rays, axis=(0, 1)) + np.float32(MARGIN)

    def __call__(
        self, points: npt.NDArray[np.floating[Any]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """
        Find the points (3, N), metres, that are in view, NaN never.

        Returns their indices, ascending, and the index into the flat image of the pixel of each.
        """
        x, y, z = points
        with np.errstate(invalid='ignore'):
            low, high = self._low.astype(z.dtype), self._high.astype(z.dtype)
            # Compared without a division, which is the slowest step, for points in view alone.
            seen = (x > low[0] * z) & (x < high[0] * z) & (y > low[1] * z) & (y < high[1] * z)
            ahead = np.flatnonzero(seen & (z > MIN_DEPTH_M))
        if not len(ahead):
            return ahead, ahead
        column, row = self._places(points[:2, ahead] / z[ahead])
        inside = (column >= 0) & (column < self._camera.width)
        inside &= (row >= 0) & (row < self._camera.height)
        return ahead[inside], row[inside] * self._camera.width + column[inside]

    def _places(self, slopes: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
        """Return columns and rows (2, N) of slopes (2, N)."""
        if not self._is_pinhole:
            slopes = self._bent(slopes)
        focal = self._matrix[(0, 1), (0, 1)].astype(slopes.dtype)
        centre = self._matrix[:2, 2].astype(slopes.dtype)
        return np.asarray(np.rint(slopes * focal[:, None] + centre[:, None]), np.int64)

    def _bent(self, slopes: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Return slopes (2, N) as the lens bends them."""
        d = np.asarray(self._camera.d)
        pairs = slopes.T.astype(np.float64)
        if self._camera.is_fisheye:
            seen = cv2.fisheye.distortPoints(pairs[:, None], np.eye(3), d)
            return np.asarray(seen, np.float64)[:, 0].T
        if len(d) > 8:
            spatial = cv2.convertPointsToHomogeneous(pairs)
            seen, _ = cv2.projectPoints(spatial, np.zeros(3), np.zeros(3), np.eye(3), d)
            return np.asarray(seen, np.float64)[:, 0].T
        # The same model without its further terms, in less time than projectPoints takes.
        k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(d, (0, 8 - len(d))).tolist()
        x, y = slopes
        square, twice = x * x + y * y, 2.0 * x * y
        radial = 1.0 + square * (k1 + square * (k2 + square * k3))
        if k4 or k5 or k6:
            radial /= 1.0 + square * (k4 + square * (k5 + square * k6))
        return np.stack([
            x * radial + p1 * twice + p2 * (square + 2.0 * x * x),
            y * radial + p1 * (square + 2.0 * y * y) + p2 * twice,
        ])  # fmt: skip

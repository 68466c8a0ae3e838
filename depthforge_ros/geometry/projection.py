# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Points -> the pixels that they fall on, all at once."""

from __future__ import annotations

from typing import Any

import cv2
from depthforge_ros.geometry.camera import Camera
import numpy as np
import numpy.typing as npt

MIN_DEPTH_M = 0.1
"""Nearer points, and those behind the camera, have no pixel."""


def pixels_of(
    points: npt.NDArray[np.floating[Any]],
    camera: Camera,
    rays: npt.NDArray[np.float32],
    *,
    rectified: bool,
) -> npt.NDArray[np.int64]:
    """
    Return the index into the flat image of points (N, 3), metres in the optical frame.

    -1 for those out of view. `rays` (H, W, 2) are `Camera.rays`: a lens model maps points far
    outside its field of view back into the image, so no point beyond all rays has a pixel.
    """
    x, y, z = np.asarray(points).T
    found = np.full(len(z), -1, np.int64)
    with np.errstate(invalid='ignore', divide='ignore'):
        slopes = np.stack([x / z, y / z], axis=-1)
        margin = np.float32(0.01)
        low = np.nanmin(rays, axis=(0, 1)) - margin
        high = np.nanmax(rays, axis=(0, 1)) + margin
        ahead = np.flatnonzero((z > MIN_DEPTH_M) & ((slopes > low) & (slopes < high)).all(-1))
    if not len(ahead):
        return found
    places = _projected(slopes[ahead], camera, rectified=rectified)
    column, row = np.rint(places).astype(np.int64).T
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    found[ahead[inside]] = row[inside] * camera.width + column[inside]
    return found


def _projected(
    slopes: npt.NDArray[np.floating[Any]], camera: Camera, *, rectified: bool
) -> npt.NDArray[Any]:
    """Return pixels (N, 2) of slopes (N, 2)."""
    matrix = np.reshape(camera.p, (3, 4))[:, :3] if rectified else np.reshape(camera.k, (3, 3))
    is_fisheye = camera.distortion_model == 'equidistant'
    if rectified or not (is_fisheye or any(camera.d)):
        places: npt.NDArray[Any] = slopes * matrix[(0, 1), (0, 1)] + matrix[:2, 2]
        return places
    distortion = np.asarray(camera.d)
    if is_fisheye:
        bent = cv2.fisheye.distortPoints(
            np.asarray(slopes, np.float64)[:, None], matrix, distortion
        )
        return np.asarray(bent).reshape(-1, 2)
    spatial = cv2.convertPointsToHomogeneous(np.asarray(slopes, np.float64))
    seen, _ = cv2.projectPoints(spatial, np.zeros(3), np.zeros(3), matrix, distortion)
    return np.asarray(seen).reshape(-1, 2)

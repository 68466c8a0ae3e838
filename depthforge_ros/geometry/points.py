# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Relative inverse depth -> metres, and metres -> points, whole images at a time."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

POINT = np.dtype(
    {
        'names': ['x', 'y', 'z', 'rgb', 'label', 'confidence'],
        'formats': ['<f4', '<f4', '<f4', '<u4', '<u1', '<f4'],
        'offsets': [0, 4, 8, 12, 16, 20],
        'itemsize': 24,
    }
)
"""A point: metres in the optical frame, 0xRRGGBB, train id, share of the class in [0, 1]."""


def metric_depth(
    inverse_depth: npt.NDArray[np.float32],
    is_sky: npt.NDArray[np.bool_],
    *,
    scale: float,
    max_range_m: float,
) -> npt.NDArray[np.float32]:
    """Return metres (H, W) along the optical axis, +Inf for sky and beyond range (REP 118)."""
    with np.errstate(divide='ignore', invalid='ignore'):
        depth_m: npt.NDArray[np.float32] = np.float32(scale) / inverse_depth
    depth_m[is_sky | (inverse_depth <= scale / max_range_m)] = np.inf
    return depth_m


def cloud(
    depth_m: npt.NDArray[np.float32],
    rays: npt.NDArray[np.float32],
    *,
    rgb: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.float32],
    stride: int = 1,
) -> npt.NDArray[np.void]:
    """
    Return every `stride`-th pixel of every `stride`-th row as POINT, (rows, columns).

    `depth_m`, `labels` and `confidence` are (H, W), `rays` (H, W, 2) and `rgb` (H, W, 3). Pixels
    without finite depth have NaN in x, y and z.
    """
    every = (slice(None, None, stride), slice(None, None, stride))
    z = depth_m[every]
    z = np.where(np.isfinite(z), z, np.float32(np.nan))
    color = cv2.cvtColor(np.ascontiguousarray(rgb[every]), cv2.COLOR_RGB2BGRA).view('<u4')
    columns = (
        rays[every][..., 0] * z,
        rays[every][..., 1] * z,
        z,
        (color[..., 0] & 0xFFFFFF).view('<f4'),
        labels[every].astype('<u4').view('<f4'),
        np.ascontiguousarray(confidence[every]),
    )
    # Six planes of four bytes each; the label's upper three are the gap behind it in POINT.
    points: npt.NDArray[np.void] = cv2.merge(columns).view(POINT)[..., 0]
    return points


def finite_points(points: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the points that have a place, in one row: (1, N)."""
    found: npt.NDArray[np.void] = points[np.isfinite(points['z'])][None]
    return found

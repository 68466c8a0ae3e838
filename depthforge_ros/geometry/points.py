# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Relative inverse depth -> metres, and metres -> points, whole images at a time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


def point(label: npt.DTypeLike) -> np.dtype[np.void]:
    """
    Lay out a point whose train id is of this type, uint8 or uint16.

    It has metres in the optical frame, 0xRRGGBB, the train id, and the share of its class in
    [0, 1].
    """
    return np.dtype(
        {
            'names': ['x', 'y', 'z', 'rgb', 'label', 'confidence'],
            'formats': ['<f4', '<f4', '<f4', '<u4', np.dtype(label).newbyteorder('<'), '<f4'],
            'offsets': [0, 4, 8, 12, 16, 20],
            'itemsize': 24,
        }
    )


def metric_depth(
    inverse_depth: npt.NDArray[np.float32],
    is_sky: npt.NDArray[np.bool_],
    *,
    rays: npt.NDArray[np.float32],
    scale: float,
    max_range_m: float,
) -> npt.NDArray[np.float32]:
    """
    Return metres (H, W) along the optical axis, by REP 118.

    +Inf for the sky and beyond range, NaN where `rays` (H, W, 2) are: there is no such axis.
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        depth_m: npt.NDArray[np.float32] = np.float32(scale) / inverse_depth
    depth_m[is_sky | (inverse_depth <= scale / max_range_m)] = np.inf
    depth_m[np.isnan(rays[..., 0])] = np.nan
    return depth_m


class CloudBuilder:
    """Makes points in memory of its own: fresh pages would cost more than all the arithmetic."""

    def __init__(self, rays: npt.NDArray[np.float32], *, stride: int = 1) -> None:
        """Take every `stride`-th pixel of every `stride`-th row of `rays` (H, W, 2)."""
        self._every = (slice(None, None, stride), slice(None, None, stride))
        self._slopes = [np.ascontiguousarray(rays[self._every][..., axis]) for axis in (0, 1)]
        shape = self._slopes[0].shape
        self._planes = np.zeros((6, *shape), '<f4')
        self._merged = np.zeros((*shape, 6), '<f4')

    def __call__(
        self,
        depth_m: npt.NDArray[np.float32],
        *,
        rgb: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.unsignedinteger[Any]],
        confidence: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.void]:
        """
        Return points (rows, columns) as `point` lays them out, which the next call overwrites.

        `depth_m`, `labels` and `confidence` are (H, W), `rgb` (H, W, 3). Pixels without finite
        depth have NaN in x, y and z.
        """
        x, y, z, color, label, share = self._planes
        z[:] = depth_m[self._every]
        z[~np.isfinite(z)] = np.nan
        for slopes, plane in zip(self._slopes, (x, y), strict=True):
            np.multiply(slopes, z, out=plane)
        octets = color.view(np.uint8).reshape(*color.shape, 4)
        cv2.mixChannels([np.ascontiguousarray(rgb[self._every])], [octets], [0, 2, 1, 1, 2, 0])
        # The upper octets are the gap behind the label.
        label.view('<u4')[:] = labels[self._every]
        share[:] = confidence[self._every]
        cv2.merge(tuple(self._planes), self._merged)
        points: npt.NDArray[np.void] = self._merged.view(point(labels.dtype))[..., 0]
        return points


def finite_points(points: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the points that have a place, in one row: (1, N)."""
    found: npt.NDArray[np.void] = points[np.isfinite(points['z'])][None]
    return found

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CameraInfo, of rclpy or of rosbags, -> the camera of an image."""

from __future__ import annotations

from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera

FOCAL_LENGTHS = 0.01, 100.0
"""Least and most, as shares of the longer side: fields of view of 178 and 0.6 degrees."""


def camera_from_message(message: Any, *, width: int, height: int) -> Camera:
    """Fold region of interest and binning in; UserError unless that gives width x height."""
    full = Camera.from_info(message)
    _require_lens(full)
    seen = full.window(
        x=message.roi.x_offset,
        y=message.roi.y_offset,
        width=message.roi.width or message.width,
        height=message.roi.height or message.height,
        binning=(max(1, message.binning_x), max(1, message.binning_y)),
    )
    if (seen.width, seen.height) != (width, height):
        raise UserError(
            f'camera_info is for {seen.width} x {seen.height} pixels, the image has {width} x '
            f'{height}; publish the one that belongs to the image'
        )
    return seen


def _require_lens(camera: Camera) -> None:
    """Refuse focal lengths that no lens has; P may be of zeros, where no image is rectified."""
    longer = max(camera.width, camera.height)
    least, most = (longer * share for share in FOCAL_LENGTHS)
    of_matrices = {'': (camera.k[0], camera.k[4]), ' in P': (camera.p[0], camera.p[5])}
    if not any(of_matrices[' in P']):
        del of_matrices[' in P']
    for where, (x, y) in of_matrices.items():
        if not (least <= x <= most and least <= y <= most):
            raise UserError(
                f'camera_info has focal lengths {x:g} and {y:g}{where}, lenses have {least:g} to '
                f'{most:g} pixels at {camera.width} x {camera.height}; calibrate the camera'
            )

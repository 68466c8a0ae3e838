# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The camera of an image -> sensor_msgs/CameraInfo."""

from __future__ import annotations

from depthforge_ros.geometry.camera import Camera
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header


def camera_info_message(header: Header, camera: Camera) -> CameraInfo:
    """Fill a CameraInfo without region of interest and binning."""
    return CameraInfo(
        header=header,
        width=camera.width,
        height=camera.height,
        distortion_model=camera.distortion_model,
        d=list(camera.d),
        k=list(camera.k),
        r=list(camera.r),
        p=list(camera.p),
    )

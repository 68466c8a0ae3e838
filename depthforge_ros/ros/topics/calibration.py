# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The camera_info of one camera, and what its pixels look along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera, DISTORTION_LENGTHS
from depthforge_ros.geometry.camera_info import camera_from_message
from depthforge_ros.geometry.projection import Projector
from depthforge_ros.postprocess import Result
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo

MAX_COEFFICIENTS = max(max(lengths) for lengths in DISTORTION_LENGTHS.values())


@dataclass(frozen=True)
class View:
    """A calibrated camera with the `Camera.rays` of its pixels, at two sizes."""

    camera: Camera
    """That of the result's planes."""
    rays: npt.NDArray[np.float32]
    network_camera: Camera
    """That of the network's own size."""
    network_rays: npt.NDArray[np.float32]
    is_rectified: bool

    @cached_property
    def project(self) -> Projector:
        """Find the pixels of points in the result's planes."""
        return Projector(self.camera, self.rays, rectified=self.is_rectified)


class Calibration:
    """Takes camera_info from the executor's thread, and is read by the worker's."""

    def __init__(self, *, info_topic: str, is_rectified: bool) -> None:
        """`info_topic` is where camera_info is awaited, after remapping."""
        self._is_rectified = is_rectified
        self._info_topic = info_topic
        self._info: CameraInfo | None = None
        self._known: tuple[Any, ...] = ()
        self._camera: Camera | None = None
        """Of the whole image."""
        self._view: View

    @property
    def has_info(self) -> bool:
        """Whether a camera_info has come."""
        return self._info is not None

    def take_info(self, message: CameraInfo) -> None:
        """Keep the newest camera_info."""
        self._info = message

    def view(self, result: Result) -> View:
        """
        Return the view of the result's planes, the same object for every frame.

        A camera that changes while frames come is refused until the node is configured again.
        """
        width, height = result.geometry.camera_width, result.geometry.camera_height
        info = self._info
        if info is None:
            raise UserError(
                f'no camera_info has come on {self._info_topic}; publish it or remap camera_info'
            )
        if len(info.d) > MAX_COEFFICIENTS:  # each would be compared in every frame
            raise UserError(
                f'camera_info has {len(info.d)} distortion coefficients, no model takes more than '
                f'{MAX_COEFFICIENTS}; calibrate the camera'
            )
        roi = info.roi
        known = (
            info.width, info.height, info.distortion_model, *info.d, *info.k, *info.r, *info.p,
            info.binning_x, info.binning_y, roi.x_offset, roi.y_offset, roi.width, roi.height,
        )  # fmt: skip
        if self._camera is None:
            camera = camera_from_message(info, width=width, height=height)
            self._view = View(
                *self._resized(camera, result),
                *self._resized(camera, replace(result, at_network=True)),
                self._is_rectified,
            )
            self._camera, self._known = camera, known
        if known != self._known:
            camera_from_message(info, width=width, height=height)  # says what is wrong with it
            raise UserError(
                'camera_info is another one than at first; if the new one is right, deactivate, '
                'clean up and configure the node again'
            )
        if (self._camera.width, self._camera.height) != (width, height):
            raise UserError(
                f'camera_info is for {self._camera.width} x {self._camera.height} pixels, the '
                f'image has {width} x {height}; publish the one that belongs to the image'
            )
        return self._view

    def _resized(self, camera: Camera, result: Result) -> tuple[Camera, npt.NDArray[np.float32]]:
        """Return the camera of a result's planes, and its rays."""
        height, width = result.size
        seen = camera.resized(width=width, height=height)
        return seen, seen.rays(rectified=self._is_rectified)

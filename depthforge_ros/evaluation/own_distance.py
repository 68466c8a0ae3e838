# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Metres from relative depth: the road and the camera's height give the scale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.series import decoded
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_message
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.camera_info import camera_from_message
from depthforge_ros.geometry.points import metric_depth
from depthforge_ros.geometry.road import fit_road
from depthforge_ros.geometry.scale_filter import ScaleFilter
from depthforge_ros.labels import DRIVABLE, LabelSpace, pixels_of, SKY
import numpy as np
import numpy.typing as npt

INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
MAX_RANGE_M = 80.0


def recorded_camera(path: Path, topic: str) -> Camera | None:
    """
    Return the calibration that a bag has beside a camera topic; None where there is none.

    It is that of the first image that can be read.
    """
    wanted = f'{topic.removesuffix("/compressed").rsplit("/", 1)[0]}/camera_info'
    with Bag(path, lenient=True) as bag:
        if bag.topics.get(wanted) != INFO_TYPE:
            return None
        info = next((message for _, message in decoded(bag, wanted)), None)
        size = next(_sizes(bag, topic), None)
    if info is None or size is None:
        return None
    return camera_from_message(info, height=size[0], width=size[1])


def _sizes(bag: Bag, topic: str) -> Iterator[tuple[int, int]]:
    """Yield height and width of the images that can be read."""
    for _, message in decoded(bag, topic):
        with suppress(UserError):
            rgb = rgb_from_message(message)
            yield rgb.shape[0], rgb.shape[1]


class OwnDistance:
    """Brings one camera's relative depth to metres, frame by frame."""

    def __init__(self, camera: Camera, height_m: float, space: LabelSpace) -> None:
        """`height_m` is the camera's above the road, `space` the classes of the masks."""
        self.rays = camera.rays(rectified=False)
        self._camera = camera
        self._height_m = height_m
        self._road_ids, self._sky_ids = space.ids(DRIVABLE), space.ids(SKY)
        self._filter = ScaleFilter()
        self._has_fitted = False

    def __call__(
        self,
        labels: npt.NDArray[np.uint8],
        inverse_depth: npt.NDArray[np.float32],
        stamp_ns: int,
    ) -> npt.NDArray[np.float32] | None:
        """
        Return metres (H, W), NaN and inf as in `metric_depth`; None without a scale.

        A frame of another size than the calibration's is a UserError, or None after one that fits.
        """
        if inverse_depth.shape != (self._camera.height, self._camera.width):
            if self._has_fitted:
                return None
            raise UserError(
                f'the calibration is for {self._camera.width} x {self._camera.height} pixels, the '
                f'image has {inverse_depth.shape[1]} x {inverse_depth.shape[0]}; give its own'
            )
        self._has_fitted = True
        road = fit_road(
            inverse_depth,
            pixels_of(labels, self._road_ids),
            self.rays,
            height_m=self._height_m,
            pitch_rad=0.0,
        )
        scale = self._filter.update(road, stamp_ns * 1e-9)
        if scale.refusal:
            return None
        return metric_depth(
            inverse_depth,
            pixels_of(labels, self._sky_ids),
            rays=self.rays,
            scale=scale.scale,
            max_range_m=MAX_RANGE_M,
        )

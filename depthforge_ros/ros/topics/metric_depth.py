# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
From relative to metric depth, for one camera: its camera_info, the scale, or why there is none.

The scale is found at the network's own size, so that it costs little where nobody subscribes to
metric depth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
import math
from typing import Any

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.geometry.camera import Camera, DISTORTION_LENGTHS
from depthforge_ros.geometry.camera_info import camera_from_message
from depthforge_ros.geometry.edges import edge_agreement
from depthforge_ros.geometry.grid import GridBuilder
from depthforge_ros.geometry.points import CloudBuilder, finite_points, metric_depth
from depthforge_ros.geometry.road import fit_road, RoadScale
from depthforge_ros.geometry.scale_filter import MetricScale, ScaleFilter
from depthforge_ros.labels import LabelSpace
from depthforge_ros.postprocess import Result
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.grid import grid_builder, grid_classes
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

MAX_COEFFICIENTS = max(max(lengths) for lengths in DISTORTION_LENGTHS.values())
OFF = 'off: the scale is not known; set camera_height_m or metric_scale'


@dataclass(frozen=True)
class MetricStatus:
    """The state of metric depth for the diagnostics."""

    unavailable: str = ''
    """Why there is none though it is enabled, in one line."""
    disabled: str = ''
    """How to enable it, where it is not."""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricFrame:
    """A frame in metres; a plane is made when it is first read."""

    camera: Camera
    """That of the result's planes."""
    rays: npt.NDArray[np.float32]
    """Its `Camera.rays`."""
    build: CloudBuilder
    scale: float
    sky_id: int
    """Train id of the sky; -1 where the model has none."""
    rgb: Callable[[], npt.NDArray[np.uint8]]
    result: Result
    config: NodeConfig
    network_rays: npt.NDArray[np.float32]
    """Those of the network's own size."""
    build_grid: GridBuilder | None
    """Of that size too; None where the camera's height is not known."""

    @cached_property
    def depth_m(self) -> npt.NDArray[np.float32]:
        """(H, W), metres along the optical axis; +Inf for the sky and beyond range."""
        return metric_depth(
            self.result.inverse_depth,
            self.result.without_floor().labels == self.sky_id,
            rays=self.rays,
            scale=self.scale,
            max_range_m=self.config.max_range_m,
        )

    def points(self) -> npt.NDArray[np.void]:
        """Return points (rows, columns) as asked for; those of the next frame replace them."""
        points = self.build(
            self.depth_m,
            rgb=self.rgb(),
            labels=self.result.labels,
            confidence=self.result.confidence,
        )
        return points if self.config.points_organised else finite_points(points)

    def grid(self, header: Any) -> npt.NDArray[np.int8] | None:
        """Return cells (rows, columns); None where the camera's height is not known."""
        if self.build_grid is None:
            return None
        small = replace(self.result, at_network=True)
        depth_m = metric_depth(
            small.inverse_depth,
            small.without_floor().labels == self.sky_id,
            rays=self.network_rays,
            scale=self.scale,
            max_range_m=self.config.max_range_m,
        )
        stamp_s = header.stamp.sec + header.stamp.nanosec * 1e-9
        return self.build_grid(depth_m, small.labels, stamp_s=stamp_s)


class MetricDepth:
    """Takes the camera_info of one camera and the answers to its frames, from two threads."""

    def __init__(
        self, config: NodeConfig, space: LabelSpace, *, is_metric: bool, info_topic: str
    ) -> None:
        """
        `is_metric` says that the model's inverse depth is in 1/m already.

        `info_topic` is where camera_info is awaited, after remapping.
        """
        self.config = config
        self._fixed_scale = config.metric_scale or (1.0 if is_metric else 0.0)
        self.status = MetricStatus(disabled='' if self.is_enabled else OFF)
        self._ids = {name: number for number, name in enumerate(space.classes)}
        self._filter = ScaleFilter()
        self._info_topic = info_topic
        self._info: CameraInfo | None = None
        self._calibration: tuple[Any, ...] = ()
        self._camera: Camera | None = None
        self._result_camera: Camera
        self._rays: npt.NDArray[np.float32]
        self._network_rays: npt.NDArray[np.float32]
        self._build: CloudBuilder
        self._grid_classes = grid_classes(config, space)
        self._build_grid: GridBuilder | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether the parameters or the model give a scale at all."""
        return self._fixed_scale > 0.0 or self.config.camera_height_m > 0.0

    @property
    def has_info(self) -> bool:
        """Whether a camera_info has come."""
        return self._info is not None

    def take_info(self, message: CameraInfo) -> None:
        """Keep the newest camera_info."""
        self._info = message

    def measure(
        self, header: Header, rgb: Callable[[], npt.NDArray[np.uint8]], result: Result
    ) -> MetricFrame | None:
        """Return the frame in metres, or None and say why in `status`."""
        if not self.is_enabled or result.depth_age:
            return None
        small = replace(result.without_floor(), at_network=True)
        try:
            camera = self._calibrated(result)
            road = self._road(small)
            scale = self._scale(road, header.stamp.sec + header.stamp.nanosec * 1e-9)
        except UserError as error:
            self.status = MetricStatus(one_line(error))
            return None
        self.status = MetricStatus(scale.refusal, figures=self._figures(road, scale, small))
        if scale.refusal:
            return None
        sky_id = self._ids.get('sky', -1)
        return MetricFrame(
            camera,
            self._rays,
            self._build,
            scale.scale,
            sky_id,
            rgb,
            result,
            self.config,
            self._network_rays,
            self._build_grid,
        )

    def _calibrated(self, result: Result) -> Camera:
        """
        Return the camera of the result's planes.

        One that changes while frames come is refused until the node is configured again.
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
        calibration = (
            info.width, info.height, info.distortion_model, *info.d, *info.k, *info.r, *info.p,
            info.binning_x, info.binning_y, roi.x_offset, roi.y_offset, roi.width, roi.height,
        )  # fmt: skip
        if self._camera is None:
            camera = camera_from_message(info, width=width, height=height)
            self._result_camera, self._rays = self._resized(camera, result)
            small, self._network_rays = self._resized(camera, replace(result, at_network=True))
            if self.config.camera_height_m:
                self._build_grid = grid_builder(
                    self.config, self._grid_classes, small, self._network_rays
                )
            self._build = CloudBuilder(self._rays, stride=self.config.points_stride)
            self._camera, self._calibration = camera, calibration
        if calibration != self._calibration:
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
        return self._result_camera

    def _resized(self, camera: Camera, result: Result) -> tuple[Camera, npt.NDArray[np.float32]]:
        """Return the camera of a result's planes, and its rays."""
        height, width = result.size
        seen = camera.resized(width=width, height=height)
        return seen, seen.rays(rectified=self.config.image_rectified)

    def _road(self, small: Result) -> RoadScale | None:
        """Fit the road, if the camera's height is known."""
        if not self.config.camera_height_m:
            return None
        if 'road' not in self._ids:
            raise UserError('the model has no class named road; set metric_scale')
        return fit_road(
            small.inverse_depth,
            small.labels == self._ids['road'],
            self._network_rays,
            height_m=self.config.camera_height_m,
            pitch_rad=None
            if self.config.estimate_pitch
            else math.radians(self.config.camera_pitch_deg),
        )

    def _scale(self, road: RoadScale | None, stamp_s: float) -> MetricScale:
        if self._fixed_scale or road is None:
            return MetricScale(self._fixed_scale, 0.0)
        return self._filter.update(road, stamp_s)

    def _figures(
        self, road: RoadScale | None, scale: MetricScale, small: Result
    ) -> dict[str, float]:
        figures = {
            'metric_scale': scale.scale,
            'metric_scale_relative_std': scale.relative_std,
            'metric_scale_held_s': scale.held_s,
        }
        agreement = edge_agreement(small.inverse_depth, small.labels)
        if not math.isnan(agreement):  # or there are no edges
            figures['edge_agreement'] = agreement
        if road is not None:
            figures |= {
                'road_share': road.road_share,
                'road_off_plane_share': road.off_plane_share,
                'horizon_pitch_deg': math.degrees(road.horizon_pitch_rad),
                'implied_camera_height_m': self.config.camera_height_m
                * (scale.scale / road.scale),
            }
        return figures

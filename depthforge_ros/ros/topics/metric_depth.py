# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
From relative to metric depth, for one camera: the scale, or why there is none.

The scale is found at the network's own size, so that it costs little where nobody subscribes to
metric depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
import math

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.frame import stamp_ns
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.edges import edge_agreement
from depthforge_ros.geometry.grid import GridBuilder, GridClasses
from depthforge_ros.geometry.points import CloudBuilder, finite_points, metric_depth
from depthforge_ros.geometry.road import fit_road, RoadScale
from depthforge_ros.geometry.scale_filter import MetricScale, ScaleFilter
from depthforge_ros.labels import DRIVABLE, LabelSpace, pixels_of, SKY
from depthforge_ros.postprocess import Result
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.calibration import Calibration, View
from depthforge_ros.ros.topics.grid import grid_builder, grid_classes
from depthforge_ros.ros.topics.output_status import OutputStatus
import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

OFF = 'off: the scale is not known; set camera_height_m or metric_scale'
GRID_OFF = 'off: set camera_height_m'


@dataclass(frozen=True)
class Builders:
    """What makes points and cells of one camera's frames, each from the first that needs it."""

    view: View
    config: NodeConfig
    sky_ids: tuple[int, ...]
    grid_classes: GridClasses

    @cached_property
    def points(self) -> CloudBuilder:
        """Of planes of the result's size."""
        return CloudBuilder(self.view.rays, stride=self.config.points_stride)

    @cached_property
    def grid(self) -> GridBuilder:
        """Of planes of the network's size."""
        return grid_builder(self.config, self.grid_classes, self.view)


@dataclass(frozen=True)
class MetricFrame:
    """A frame in metres; a plane is made when it is first read."""

    builders: Builders
    scale: float
    stamp_s: float
    rgb: Callable[[], npt.NDArray[np.uint8]]
    result: Result

    @property
    def camera(self) -> Camera:
        """Return the camera of the planes."""
        return self.builders.view.camera

    @property
    def config(self) -> NodeConfig:
        """Return the configuration of the camera."""
        return self.builders.config

    @cached_property
    def depth_m(self) -> npt.NDArray[np.float32]:
        """(H, W), metres along the optical axis; +Inf for the sky and beyond range."""
        return self._metres(self.result, self.builders.view.rays)

    def points(self) -> npt.NDArray[np.void]:
        """Return points as asked for, (rows, columns); those of the next frame replace them."""
        points = self.builders.points(
            self.depth_m,
            rgb=self.rgb(),
            labels=self.result.labels,
            confidence=self.result.confidence,
        )
        return points if self.config.points_organised else finite_points(points)

    def grid(self) -> npt.NDArray[np.int8]:
        """Return cells (rows, columns); only where the camera's height is known."""
        small = replace(self.result, at_network=True)
        depth_m = self._metres(small, self.builders.view.network_rays)
        return self.builders.grid(depth_m, small.labels, stamp_s=self.stamp_s)

    def _metres(self, result: Result, rays: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return metric_depth(
            result.inverse_depth,
            pixels_of(result.without_floor().labels, self.builders.sky_ids),
            rays=rays,
            scale=self.scale,
            max_range_m=self.config.max_range_m,
        )


class MetricDepth:
    """Finds the scale of one camera's frames, in the worker's thread."""

    def __init__(
        self,
        config: NodeConfig,
        space: LabelSpace,
        *,
        is_metric: bool,
        calibration: Calibration,
    ) -> None:
        """`is_metric` says that the model's inverse depth is in 1/m already."""
        self.config = config
        self._fixed_scale = config.metric_scale or (1.0 if is_metric else 0.0)
        self.status = OutputStatus(disabled='' if self.is_enabled else OFF)
        self.grid_status = OutputStatus(disabled='' if self.has_grid else GRID_OFF)
        """Of the grid alone; it needs all that metric depth needs, too."""
        self._road_ids, self._sky_ids = space.ids(DRIVABLE), space.ids(SKY)
        self._filter = ScaleFilter()
        self._calibration = calibration
        self._grid_classes = grid_classes(config, space)
        self._builders: Builders | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether the parameters or the model give a scale at all."""
        return self._fixed_scale > 0.0 or self.config.camera_height_m > 0.0

    @property
    def has_grid(self) -> bool:
        """Whether the parameters give the road's plane, on which the grid lies."""
        return self.config.camera_height_m > 0.0

    def measure(
        self, header: Header, rgb: Callable[[], npt.NDArray[np.uint8]], result: Result
    ) -> MetricFrame | None:
        """Return the frame in metres, or None and say why in `status`."""
        if not self.is_enabled or result.depth_age:
            return None
        small = replace(result.without_floor(), at_network=True)
        stamp_s = stamp_ns(header) * 1e-9
        try:
            view = self._calibration.view(result)
            road = self._road(small, view)
            scale = self._scale(road, stamp_s)
        except UserError as error:
            self.status = OutputStatus(one_line(error))
            return None
        self.status = OutputStatus(scale.refusal, figures=self._figures(road, scale, small))
        if scale.refusal:
            return None
        if self._builders is None:
            self._builders = Builders(view, self.config, self._sky_ids, self._grid_classes)
        return MetricFrame(self._builders, scale.scale, stamp_s, rgb, result)

    def _road(self, small: Result, view: View) -> RoadScale | None:
        """Fit the road, if there is one and the camera's height is known."""
        if not self.config.camera_height_m:
            return None
        if not self._road_ids:
            if self._fixed_scale:
                return None
            names = ', '.join(DRIVABLE)
            raise UserError(f'the model has no class named {names}; set metric_scale')
        return fit_road(
            small.inverse_depth,
            pixels_of(small.labels, self._road_ids),
            view.network_rays,
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

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Cells -> nav_msgs/OccupancyGrid, and the builder that a camera's parameters ask for."""

from __future__ import annotations

from array import array
import math

from depthforge_ros.geometry.grid import (
    class_names,
    GridBuilder,
    GridClasses,
    optical_from_ground,
)
from depthforge_ros.labels import LabelSpace
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.calibration import View
from geometry_msgs.msg import Point, Pose, Quaternion
from nav_msgs.msg import MapMetaData, OccupancyGrid
import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header


def grid_classes(config: NodeConfig, space: LabelSpace) -> GridClasses:
    """Return what the classes mean; UserError for unknown names."""
    free = class_names(config.grid_free_classes, space, parameter='grid_free_classes')
    occupied = class_names(config.grid_occupied_classes, space, parameter='grid_occupied_classes')
    return GridClasses.of(space, free=free, occupied=occupied)


def grid_builder(config: NodeConfig, classes: GridClasses, view: View) -> GridBuilder:
    """Make the builder for planes of the network's size."""
    return GridBuilder(
        view.network_camera,
        view.network_rays,
        shape=config.grid,
        height_m=config.camera_height_m,
        pitch_rad=math.radians(config.camera_pitch_deg),
        rectified=config.image_rectified,
        classes=classes,
    )


def grid_message(header: Header, cells: npt.NDArray[np.int8], config: NodeConfig) -> OccupancyGrid:
    """
    Fill an OccupancyGrid with cells (rows, columns) of the ground frame, stamped as the image.

    The origin is the outer corner of cell (0, 0): in `grid_frame`, or in the image's own frame,
    then turned so that the cells lie on the road.
    """
    rows, columns = cells.shape
    message = OccupancyGrid(
        header=Header(stamp=header.stamp, frame_id=config.grid_frame or header.frame_id),
        info=MapMetaData(
            map_load_time=header.stamp,
            resolution=config.grid_resolution_m,
            width=columns,
            height=rows,
            origin=_origin(rows * config.grid_resolution_m / 2, config),
        ),
    )
    message.data = array('b', cells.tobytes())
    return message


def _origin(right_m: float, config: NodeConfig) -> Pose:
    """Place the corner that is `right_m` to the right of the point below the camera."""
    if config.grid_frame:
        return Pose(position=Point(y=-right_m))
    pitch_rad = math.radians(config.camera_pitch_deg)
    transform = optical_from_ground(height_m=config.camera_height_m, pitch_rad=pitch_rad)
    x, y, z = (float(value) for value in (transform @ (0.0, -right_m, 0.0, 1.0))[:3])
    # Of the transform's rotation, whose trace is -sin(pitch).
    sin, cos = math.sin(pitch_rad), math.cos(pitch_rad)
    four_w = 2.0 * math.sqrt(1.0 - sin)
    turn = Quaternion(w=four_w / 4, x=cos / four_w, y=-cos / four_w, z=(1.0 - sin) / four_w)
    return Pose(position=Point(x=x, y=y, z=z), orientation=turn)

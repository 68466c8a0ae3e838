# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The grid as a message: over DDS, its place and turn, and what withholds it."""

from __future__ import annotations

import math
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.grid import FREE, OCCUPIED, optical_from_ground, UNKNOWN
from depthforge_ros.labels import CAMVID
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.grid import grid_classes, grid_message
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from support.geometry import rotation_matrix
from support.node import calibrate, identity, latest, make_image, node_in_process

DEPTH_IMAGE = '/depthforge/depth/image'


def test_grid_of_one_frame(peer: Any) -> None:
    with node_in_process(camera_height_m=1.5, grid_length_m=10.0, grid_width_m=6.0) as node:
        grids = peer.subscribe(OccupancyGrid, '/depthforge/grid', seen_by=node)
        image = peer.publisher(Image, '/image', seen_by=node)
        calibrate(peer, node)
        image.publish(make_image(7))
        peer.spin_until(lambda: grids)
    (grid,) = grids
    assert identity(grid) == identity(make_image(7))
    assert (grid.info.width, grid.info.height) == (50, 30)
    assert set(grid.data) <= {UNKNOWN, FREE, OCCUPIED}
    assert FREE in set(grid.data)


def test_a_grid_without_the_camera_s_height_is_told(peer: Any) -> None:
    with node_in_process(metric_scale=5.0, watched=False) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(lambda: 'grid' in latest(reports))
        (camera,) = node._rig.cameras
        assert latest(reports)['grid'] == 'off: set camera_height_m'
        assert 'metric_depth' not in latest(reports)
        peer.subscribe(OccupancyGrid, '/depthforge/grid', seen_by=node)
        assert camera._subscribed_outputs() == set()
        peer.subscribe(Image, DEPTH_IMAGE, seen_by=node)
        assert camera._subscribed_outputs() == {'metric_depth'}
    with node_in_process(camera_height_m=1.5) as node:
        (camera,) = node._rig.cameras
        assert camera.output_statuses()['grid'].disabled == ''


@pytest.mark.parametrize('pitch_deg', [0.0, 8.0, -5.0])
def test_origin_turns_the_cells_onto_the_road(pitch_deg: float) -> None:
    config = NodeConfig(camera_height_m=1.5, camera_pitch_deg=pitch_deg, grid_width_m=10.0)
    cells = np.full((50, 200), UNKNOWN, np.int8)
    message = grid_message(Header(frame_id='camera'), cells, config)
    assert message.header.frame_id == 'camera'
    pose = message.info.origin
    turn = rotation_matrix(pose.orientation)
    expected = optical_from_ground(height_m=1.5, pitch_rad=math.radians(pitch_deg))
    np.testing.assert_allclose(turn, expected[:3, :3], atol=1e-9)
    corner = [pose.position.x, pose.position.y, pose.position.z]
    np.testing.assert_allclose(corner, (expected @ (0.0, -5.0, 0.0, 1.0))[:3], atol=1e-9)


def test_a_named_frame_lies_on_the_road() -> None:
    config = NodeConfig(camera_height_m=1.5, grid_frame='base_footprint', grid_width_m=10.0)
    message = grid_message(Header(frame_id='camera'), np.zeros((50, 200), np.int8), config)
    assert message.header.frame_id == 'base_footprint'
    pose = message.info.origin
    assert (pose.position.x, pose.position.y, pose.position.z) == (0.0, -5.0, 0.0)
    assert pose.orientation.w == 1.0


def test_classes_are_chosen_by_name() -> None:
    space = CAMVID
    chosen = grid_classes(NodeConfig(grid_free_classes='road, pavement'), space)
    assert [space.classes[one] for one in chosen.free] == ['road', 'pavement']
    assert not {*chosen.free, space.classes.index('sky')} & {*chosen.occupied}
    with pytest.raises(UserError, match="grid_occupied_classes: class 'lawn' was given"):
        grid_classes(NodeConfig(grid_occupied_classes='lawn'), space)


def test_values_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(UserError, match='grid_min_height_m must be below'):
        NodeConfig(grid_min_height_m=3.0)

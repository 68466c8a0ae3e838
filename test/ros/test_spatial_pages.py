# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The pages of Nav2, grid and LiDAR, followed with the bundled model and a frame of the drive."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
import re
from typing import Any

from depthforge_ros.bags.camera_file import read_drive_file
from depthforge_ros.bags.image_files import read_depth_m, read_labels
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.geometry.grid import FREE, GridBuilder, GridClasses, GridShape, OCCUPIED
from depthforge_ros.geometry.projection import rigid_transform
from depthforge_ros.labels import CAMVID, CITYSCAPES
from depthforge_ros.ros.topics.camera_info import camera_info_message
from depthforge_ros.ros.topics.messages import cloud_message, image_message
from lifecycle_msgs.msg import Transition
from nav_msgs.msg import OccupancyGrid
import numpy as np
import numpy.typing as npt
import pytest
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from support.node import change_state, identity, MASK
from support.pages import commands, text_of
from support.paths import ROOT
import yaml

FRAME = '000024'
DRIVE = read_drive_file(ROOT / 'drive/camera.yaml')
TRUE_DEPTH_M = read_depth_m(ROOT / f'drive/depth/{FRAME}.png', DRIVE.depth_scale)
IS_ROAD = read_labels(ROOT / f'drive/labels/{FRAME}.png', CAMVID) == CAMVID.classes.index('road')
ROAD = CITYSCAPES.classes.index('road')
RAYS = DRIVE.camera.rays(rectified=True)
XYZ = np.dtype([(name, '<f4') for name in 'xyz'])
REACH_M = 20.0


def lidar_page() -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the arguments of the page's command and the matrix that it shows beside tf."""
    of_page = [one.words for one in commands() if one.page == 'docs/lidar.md']
    (words,) = (one for one in of_page if one[0] == 'ros2')
    (numbers,) = re.findall(r"`'([-\d. ,]+)'`", text_of('docs/lidar.md'))
    transform = rigid_transform([float(one) for one in numbers.replace(',', ' ').split()], name='')
    arguments = words[words.index('--ros-args') + 1 :]
    given = [one.replace(':=tf', f':={numbers}') for one in arguments]
    return given, transform.astype(np.float64)


def scan(transform: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    """Return which pixels a LiDAR sees, and its points, in its own frame."""
    seen = np.zeros(TRUE_DEPTH_M.shape, bool)
    seen[::4, ::3] = np.isfinite(TRUE_DEPTH_M[::4, ::3]) & (TRUE_DEPTH_M[::4, ::3] > 0.5)
    z = TRUE_DEPTH_M[seen].astype(np.float64)
    optical = np.stack([*(RAYS[seen].T * z), z])
    places = np.linalg.inv(transform[:, :3]) @ (optical - transform[:, 3:])
    return seen, np.rec.fromarrays(places.astype(np.float32), dtype=XYZ)[None]


def plane(message: Any) -> npt.NDArray[np.uint8]:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


def column_of(cloud: Any, name: str, kind: str) -> npt.NDArray[Any]:
    """Return one field of all points."""
    (offset,) = (one.offset for one in cloud.fields if one.name == name)
    octets = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_step)
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(octets[:, offset : offset + size]).view(kind).ravel()


def answered(peer: Any, lists: dict[str, list[Any]], points: Any) -> dict[str, Any]:
    """Send the frame and the scan until all outputs of one stamp have come."""
    image, info, lidar = (
        peer.publisher(kind, f'/{name}')
        for kind, name in (
            (Image, 'camera/image_raw'),
            (CameraInfo, 'camera/camera_info'),
            (PointCloud2, 'velodyne_points'),
        )
    )
    pixels = rgb_from_file(ROOT / f'drive/images/{FRAME}.jpg')
    for second in count(1000):
        header = Header(frame_id='camera')
        header.stamp.sec = second
        info.publish(camera_info_message(header, DRIVE.camera))
        lidar.publish(cloud_message(Header(frame_id='velodyne', stamp=header.stamp), points))
        image.publish(image_message(header, encoding='rgb8', pixels=pixels))
        peer.spin_for(1.0)
        by_stamp = [{one.header.stamp.sec: one for one in came} for came in lists.values()]
        if common := set.intersection(*(set(one) for one in by_stamp)):
            stamp = max(common)
            return dict(zip(lists, (one[stamp] for one in by_stamp), strict=True))
    raise AssertionError


@pytest.mark.timeout(600)
def test_the_pages_lead_to_what_they_promise(peer: Any, start_node: Callable[..., Any]) -> None:
    given, transform = lidar_page()
    seen, points = scan(transform)
    nav2 = ('--params-file', str(ROOT / 'config/nav2.yaml'), '-p', 'autostart:=false')
    kinds = {
        'mask': (Image, MASK),
        'confidence': (Image, '/depthforge/segmentation/confidence'),
        'points': (PointCloud2, '/depthforge/points'),
        'grid': (OccupancyGrid, '/depthforge/grid'),
        'painted': (PointCloud2, '/depthforge/lidar/points'),
    }
    with start_node(*nav2, *given):
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        assert change_state(peer, Transition.TRANSITION_ACTIVATE)
        lists = {name: peer.subscribe(*pair) for name, pair in kinds.items()}
        came = answered(peer, lists, points)
    assert {identity(came[name])[2] for name in ('mask', 'points', 'grid')} == {'camera'}
    check_costmap(came['mask'], came['confidence'], came['points'])
    check_grid(came['grid'])
    check_painted(came['painted'], plane(came['mask']), seen)


def check_costmap(mask: Any, confidence: Any, cloud: Any) -> None:
    """Walk over the points as Nav2's layer does: what it marks has a cost, the road is free."""
    assert len({(one.height, one.width) for one in (mask, confidence, cloud)}) == 1
    layer = yaml.safe_load((ROOT / 'config/nav2_costmap.yaml').read_text())
    camera = layer['local_costmap']['local_costmap']['ros__parameters']['semantic_layer']['camera']
    assert camera['drivable']['classes'] == ['road']
    cost_of = {one: camera[kind]['max_cost'] for kind in camera['class_types']
               for one in camera[kind]['classes']}  # fmt: skip
    z, labels = column_of(cloud, 'z', '<f4'), plane(mask).ravel()
    reached = np.isfinite(z)
    assert z[reached].max() <= camera['max_obstacle_distance'] == REACH_M
    named = [CITYSCAPES.classes[one] for one in np.unique(labels[reached]) if one != 255]
    assert {cost_of[one] for one in named} >= {0, 254}
    true_m = TRUE_DEPTH_M.ravel()[reached & (labels == ROAD) & IS_ROAD.ravel()]
    ours_m = z[reached & (labels == ROAD) & IS_ROAD.ravel()]
    assert np.median(np.abs(ours_m - true_m) / true_m) < 0.15


def check_grid(grid: Any) -> None:
    """Compare with the cells of exact labels and depth."""
    build = GridBuilder(
        DRIVE.camera, RAYS, shape=GridShape(), height_m=DRIVE.camera_height_m, pitch_rad=0.0,
        rectified=True, classes=GridClasses.of(CAMVID),
    )  # fmt: skip
    labels = read_labels(ROOT / f'drive/labels/{FRAME}.png', CAMVID)
    true = build(TRUE_DEPTH_M, labels, stamp_s=1.0)
    cells = np.array(grid.data, np.int8).reshape(grid.info.height, grid.info.width)
    assert cells.shape == true.shape
    near = np.zeros(cells.shape, bool)
    near[:, : round(REACH_M / grid.info.resolution)] = True
    assert (cells == FREE)[near & (true == FREE)].mean() > 0.8
    assert (cells == FREE)[near & (true == OCCUPIED)].mean() < 0.2
    assert (cells == OCCUPIED)[near].any()


def check_painted(cloud: Any, mask: npt.NDArray[np.uint8], seen: Any) -> None:
    """All points are in view, in their order: each has the class of the pixel it comes from."""
    labels, expected = column_of(cloud, 'label', 'u1'), mask[seen]
    assert len(labels) == len(expected)
    # A floor of confidence is for the mask alone.
    is_sure = expected != 255
    np.testing.assert_array_equal(labels[is_sure], expected[is_sure])
    assert ((labels == ROAD) == IS_ROAD[seen]).mean() > 0.9

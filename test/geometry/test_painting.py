# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Painted points, against scans whose every point has a known pixel."""

from __future__ import annotations

from typing import Any

from depthforge_ros.bags.camera_file import read_drive_file
from depthforge_ros.bags.image_files import read_depth_m, read_labels
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.painting import painted_points
from depthforge_ros.geometry.projection import Projector, rigid_transform
from depthforge_ros.labels import CAMVID
import numpy as np
import pytest
from support.paths import ROOT, SHARED

# Of KITTI's calibration of 2011_09_26, rounded: x ahead becomes z, and 0.27 m backward.
CAMERA_FROM_LIDAR = rigid_transform(
    [
        7.5337e-3, -9.9997e-1, -6.1660e-4, -4.0698e-3,
        1.4802e-2, 7.2807e-4, -9.9989e-1, -7.6316e-2,
        9.9986e-1, 7.5238e-3, 1.4808e-2, -2.7178e-1,
    ],
    name='KITTI',
)  # fmt: skip
KITTI = Camera.pinhole(width=1242, height=375, fx=721.5377, fy=721.5377, cx=609.5593, cy=172.854)


def scan(depth_m: Any, rays: Any, chosen: Any) -> Any:
    """Return the points (3, N) of chosen pixels, in the LiDAR's frame."""
    z = depth_m[chosen].astype(np.float64)
    seen = np.stack([*(rays[chosen].T * z), z])
    rotation, translation = np.split(CAMERA_FROM_LIDAR.astype(np.float64), [3], axis=1)
    return (np.linalg.inv(rotation) @ (seen - translation)).astype(np.float32)


def painted(xyz: Any, camera: Camera, rgb: Any, labels: Any, confidence: Any) -> Any:
    project = Projector(camera, camera.rays(rectified=True), rectified=True)
    return painted_points(
        xyz,
        project,
        camera_from_lidar=CAMERA_FROM_LIDAR,
        rgb=rgb,
        labels=labels,
        confidence=confidence,
    )[0]


def test_a_scan_of_the_bundled_drive_is_painted_exactly() -> None:
    drive = read_drive_file(ROOT / 'drive/camera.yaml')
    depth_m = read_depth_m(ROOT / 'drive/depth/000024.png', drive.depth_scale)
    labels = read_labels(ROOT / 'drive/labels/000024.png', CAMVID)
    rgb = rgb_from_file(ROOT / 'drive/images/000024.jpg')
    confidence = np.random.default_rng(0).random(labels.shape, np.float32)
    rays = drive.camera.rays(rectified=True)
    chosen = np.zeros(labels.shape, bool)
    chosen[::4, ::3] = np.isfinite(depth_m[::4, ::3]) & (depth_m[::4, ::3] > 0.5)
    xyz = scan(depth_m, rays, chosen)
    behind = -xyz
    got = painted(np.hstack([behind, xyz]), drive.camera, rgb, labels, confidence)
    assert len(got) == chosen.sum() > 3000
    assert np.array_equal(np.stack([got[name] for name in 'xyz']), xyz)
    assert np.array_equal(got['label'], labels[chosen])
    assert np.array_equal(got['confidence'], confidence[chosen])
    red, green, blue = rgb[chosen].T.astype(np.uint32)
    assert np.array_equal(got['rgb'], red << 16 | green << 8 | blue)
    assert len(set(got['label'].tolist())) > 4


def test_lidar_of_kitti_falls_on_its_pixels() -> None:
    folder = SHARED / 'data/kitti_drive'
    if not folder.is_dir():
        pytest.skip(f'{folder} is not here')
    depth_m = read_depth_m(folder / 'depth/000055.png', None)
    chosen = np.isfinite(depth_m) & (depth_m > 0.0)
    rgb = rgb_from_file(folder / 'images/000055.jpg')
    labels = (np.arange(depth_m.size) % 256).reshape(depth_m.shape).astype(np.uint8)
    xyz = scan(depth_m, KITTI.rays(rectified=True), chosen)
    got = painted(xyz, KITTI, rgb, labels, labels.astype(np.float32))
    assert len(got) == chosen.sum() > 10_000
    assert np.array_equal(got['label'], labels[chosen])


def test_points_without_a_place_or_out_of_view_are_left_out() -> None:
    xyz = np.array([[np.nan, 5.0, 5.0, 0.0], [0.0, 50.0, 0.0, 0.0], [0.0] * 4], np.float32)
    plane = np.zeros((375, 1242), np.uint8)
    got = painted(xyz, KITTI, np.zeros((375, 1242, 3), np.uint8), plane, plane.astype(np.float32))
    assert got['x'].tolist() == [5.0]
    assert not len(painted(xyz[:, :0], KITTI, plane[..., None].repeat(3, 2), plane, plane))


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (lambda m: m * 1.01, 'no rotation'),
        (lambda m: m * [[1], [1], [-1]], 'no rotation'),
        (lambda m: m * np.nan, 'no rotation'),
        (lambda m: m[:2], '8 numbers; 12 are needed'),
    ],
)
def test_matrices_that_move_nothing_rigidly_are_refused(change: Any, error: str) -> None:
    numbers = np.ravel(change(CAMERA_FROM_LIDAR.astype(np.float64))).tolist()
    with pytest.raises(UserError, match=f'given has? ?.*{error}|given is {error}'):
        rigid_transform(numbers, name='given')

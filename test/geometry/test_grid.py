# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The semantic grid and the projection, against scenes whose geometry is known."""

from __future__ import annotations

import math
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.grid import (
    class_names,
    FREE,
    free_classes,
    GridBuilder,
    GridClasses,
    GridShape,
    OCCUPIED,
    occupied_classes,
    UNKNOWN,
)
from depthforge_ros.geometry.projection import Projector
from depthforge_ros.geometry.road import plane_inverse_depth
from depthforge_ros.labels import CAMVID, CITYSCAPES
import numpy as np
import pytest

HEIGHT_M = 1.5
CAMERA = Camera.pinhole(width=320, height=160, fx=250.0, fy=250.0, cx=159.5, cy=79.5)
ROAD, CAR, SKY = (CITYSCAPES.classes.index(name) for name in ('road', 'car', 'sky'))
CUT = 10.1
"""Metres to a wall's front, 4 m wide and as high as the camera sees."""


def builder(pitch_rad: float = 0.0, **shape: Any) -> GridBuilder:
    return GridBuilder(
        CAMERA,
        CAMERA.rays(rectified=True),
        shape=GridShape(**shape),
        height_m=HEIGHT_M,
        pitch_rad=pitch_rad,
        rectified=True,
        classes=GridClasses.of(CITYSCAPES),
    )


def scene(pitch_rad: float = 0.0) -> tuple[Any, Any]:
    """Return depth and labels of a road below sky, with a wall that stands upright on it."""
    rays = CAMERA.rays(rectified=True)
    inverse = plane_inverse_depth(rays[..., 1], height_m=HEIGHT_M, pitch_rad=pitch_rad)
    with np.errstate(divide='ignore'):
        depth_m = np.where(inverse > 0.0, 1.0 / inverse, np.inf).astype(np.float32)
    labels = np.where(inverse > 0.0, ROAD, SKY).astype(np.uint8)
    wall_m = CUT / (math.cos(pitch_rad) - math.sin(pitch_rad) * rays[..., 1])
    is_wall = (np.abs(rays[..., 0] * wall_m) < 2.0) & (wall_m < depth_m)
    depth_m[is_wall], labels[is_wall] = wall_m[is_wall], CAR
    return depth_m, labels


@pytest.mark.parametrize('pitch_deg', [0.0, 4.0, -3.0])
def test_road_is_free_and_a_wall_occupied(pitch_deg: float) -> None:
    pitch_rad = math.radians(pitch_deg)
    cells = builder(pitch_rad)(*scene(pitch_rad), stamp_s=1.0)
    assert cells.shape == (200, 200)
    front = int(CUT / 0.2)
    assert (cells[91:109, front] == OCCUPIED).all()
    assert not (cells == OCCUPIED)[:, : front - 1].any()
    assert not (cells == OCCUPIED)[:89].any()
    margin = front - 2
    assert (cells[100, 30:margin] == FREE).all()
    assert (cells[95:105, margin:front] == UNKNOWN).all()
    assert (cells[95:105, front + 2 :] == UNKNOWN).all()
    # Beside the wall the road goes on without gaps, to the end of the grid.
    assert (cells[60, front + 30 : 190] == FREE).all()


def test_left_is_a_high_row() -> None:
    depth_m, labels = scene()
    labels[:, :160] = SKY
    cells = builder()(depth_m, labels, stamp_s=1.0)
    right, left = cells[:95], cells[105:]
    for value in (FREE, OCCUPIED):
        assert (right == value).any()
        assert not (left == value).any()


def test_low_and_high_things_are_no_obstacles() -> None:
    assert not (builder(min_height_m=5.0, max_height_m=6.0)(*scene(), stamp_s=1.0) > 0).any()


def test_unknown_cells_keep_their_value_for_a_while() -> None:
    grid = builder(decay_s=0.5)
    depth_m, labels = scene()
    before = grid(depth_m, labels, stamp_s=1.0)
    labels[:] = SKY
    assert np.array_equal(grid(depth_m, labels, stamp_s=1.4), before)
    assert (grid(depth_m, labels, stamp_s=1.6) == UNKNOWN).all()


def test_time_that_goes_back_forgets() -> None:
    grid = builder(decay_s=5.0)
    depth_m, labels = scene()
    grid(depth_m, labels, stamp_s=9.0)
    labels[:] = SKY
    assert (grid(depth_m, labels, stamp_s=1.0) == UNKNOWN).all()


def test_pixels_without_depth_occupy_nothing() -> None:
    depth_m, labels = scene()
    depth_m[:] = np.nan
    cells = builder()(depth_m, labels, stamp_s=1.0)
    assert not (cells == OCCUPIED).any()


def test_classes_have_defaults_by_name() -> None:
    assert free_classes(CITYSCAPES) == free_classes(CAMVID) == ('road',)
    assert not {'sky', 'road', 'pavement'} & {*occupied_classes(CAMVID, ('road',))}
    chosen = GridClasses.of(CAMVID, occupied=('pavement', 'car'))
    names = [CAMVID.classes[one] for one in chosen.occupied]
    assert names == ['pavement', 'car']
    assert [CAMVID.classes[one] for one in chosen.ground] == ['road']
    assert class_names('road, pavement', CAMVID, parameter='p') == ('road', 'pavement')
    with pytest.raises(UserError, match="parameter p: class 'lawn' was given, the model has sky"):
        class_names('lawn', CAMVID, parameter='p')


def test_shapes_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match='grid_min_height_m must be below'):
        GridShape(min_height_m=3.0)
    with pytest.raises(UserError, match='choose another grid_resolution_m'):
        GridShape(resolution_m=0.02, length_m=200.0)


@pytest.mark.parametrize('model', ['pinhole', 'plumb_bob', 'rational', 'prism', 'equidistant'])
def test_every_pixel_projects_to_itself(model: str) -> None:
    lenses = {
        'pinhole': ('plumb_bob', (0.0,) * 5),
        'plumb_bob': ('plumb_bob', (-0.2, 0.05, 0.001, -0.002, 0.01)),
        'rational': ('rational_polynomial', (-0.2, 0.05, 1e-3, -2e-3, 0.01, 0.02, 0.01, 1e-3)),
        'prism': (
            'rational_polynomial',
            (-0.2, 0.05, 1e-3, -2e-3, 0.01, 0.02, 0.01, 1e-3, 1e-3, 0.0, 2e-3, 0.0),
        ),
        'equidistant': ('equidistant', (0.05, -0.01, 0.0, 0.0)),
    }
    name, d = lenses[model]
    camera = Camera(320, 160, CAMERA.k, CAMERA.p, d, distortion_model=name)
    rays = camera.rays(rectified=False)
    depth_m = np.random.default_rng(0).uniform(1.0, 50.0, (160, 320, 1))
    points = np.concatenate([rays * depth_m, depth_m], -1).reshape(-1, 3)
    project = Projector(camera, rays, rectified=False)
    index, pixel = project(points.T)
    assert np.array_equal(index, np.arange(160 * 320))
    assert np.array_equal(pixel, index)
    assert not len(project(-points.T)[0])

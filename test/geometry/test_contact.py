# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Depth that is wrong on what stands, corrected where it meets a road of known geometry."""

from __future__ import annotations

from typing import Any

from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.contact import CLEARANCE_M, GroundContact
from depthforge_ros.geometry.road import plane_inverse_depth
import numpy as np
import pytest

HEIGHT_M = 1.5
CAMERA = Camera.pinhole(width=80, height=320, fx=500.0, fy=500.0, cx=39.5, cy=159.5)
RAYS = CAMERA.rays(rectified=True)
DROP = RAYS[..., 1]
ROAD, WALL, CAR, SKY = range(4)


def corrected(depth_m: Any, labels: Any) -> Any:
    contact = GroundContact(DROP, height_m=HEIGHT_M, ground_ids=[ROAD], standing_ids=[WALL, CAR])
    return contact(depth_m, labels)


def road() -> tuple[Any, Any]:
    inverse = plane_inverse_depth(DROP, height_m=HEIGHT_M, pitch_rad=0.0)
    with np.errstate(divide='ignore'):
        depth_m = np.where(inverse > 0.0, 1.0 / inverse, np.inf).astype(np.float32)
    return depth_m, np.where(inverse > 0.0, ROAD, SKY).astype(np.uint8)


def with_box(
    depth_m: Any, labels: Any, label: int, *, at_m: float, above_m: tuple[float, float]
) -> Any:
    """Put an upright box across the image; return the mask of its pixels."""
    height_m = HEIGHT_M - at_m * DROP
    is_box = (height_m > above_m[0]) & (height_m < above_m[1])
    depth_m[is_box], labels[is_box] = at_m, label
    return is_box


@pytest.mark.parametrize('factor', [0.75, 1.0, 1.4])
def test_a_wall_stands_where_its_foot_is(factor: float) -> None:
    depth_m, labels = road()
    is_wall = with_box(depth_m, labels, WALL, at_m=10.0, above_m=(0.0, 3.0))
    depth_m[is_wall] *= factor
    found = corrected(depth_m, labels)
    assert (found[is_wall] > 10.0 * (1.0 - CLEARANCE_M / HEIGHT_M) - 0.2).all()
    assert (found[is_wall] < 10.2).all()
    if factor == 1.0:
        assert found[is_wall] == pytest.approx(10.0)
    assert np.array_equal(found[~is_wall], depth_m[~is_wall])


def test_a_bumper_is_nearer_than_the_road_below_it() -> None:
    depth_m, labels = road()
    is_car = with_box(depth_m, labels, CAR, at_m=8.0, above_m=(0.25, 1.4))
    lowest = np.flatnonzero(is_car[:, 0]).max()
    assert labels[lowest + 1, 0] == ROAD
    assert depth_m[lowest + 1, 0] > 9.0
    assert corrected(depth_m, labels)[is_car] == pytest.approx(8.0)


def test_a_branch_keeps_its_depth() -> None:
    depth_m, labels = road()
    with_box(depth_m, labels, WALL, at_m=4.0, above_m=(1.0, 2.0))
    assert np.array_equal(corrected(depth_m, labels), depth_m)


def test_what_is_seen_above_a_car_is_behind_it() -> None:
    depth_m, labels = road()
    is_wall = with_box(depth_m, labels, WALL, at_m=20.0, above_m=(0.0, 5.0))
    is_car = with_box(depth_m, labels, CAR, at_m=10.0, above_m=(0.0, 1.4))
    is_wall &= ~is_car
    depth_m[is_wall] = 6.0
    found = corrected(depth_m, labels)
    assert found[is_wall].min() >= found[is_car].min() >= 9.9


def test_nothing_leans_over_the_road_before_its_foot() -> None:
    depth_m, labels = road()
    is_wall = with_box(depth_m, labels, WALL, at_m=10.0, above_m=(0.0, 3.0))
    rows = np.nonzero(is_wall[:, 0])[0]
    depth_m[rows[: len(rows) // 2]] *= 0.6
    found = corrected(depth_m, labels)
    assert (found[is_wall] > 9.8).all()


def test_rays_and_depth_that_are_not_known_stay_so() -> None:
    depth_m, labels = road()
    is_wall = with_box(depth_m, labels, WALL, at_m=10.0, above_m=(0.0, 3.0))
    depth_m[:, 40:] = np.nan
    drop = DROP.copy()
    drop[:, 60:] = np.nan
    contact = GroundContact(drop, height_m=HEIGHT_M, ground_ids=[ROAD], standing_ids=[WALL])
    found = contact(depth_m, labels)
    assert np.isnan(found[:, 40:]).all()
    assert np.isfinite(found[is_wall][:40]).all()

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Cameras, the scale that a road gives, and points, on roads that are known exactly."""

from __future__ import annotations

import math
from typing import Any

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.edges import edge_agreement
from depthforge_ros.geometry.points import CloudBuilder, finite_points, metric_depth
from depthforge_ros.geometry.road import fit_road, plane_inverse_depth, RoadScale
from depthforge_ros.geometry.scale_filter import ScaleFilter
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import numpy.typing as npt
import pytest

CAMERA = Camera.pinhole(width=240, height=120, fx=160.0, fy=160.0, cx=119.0, cy=50.0)
RAYS = CAMERA.rays(rectified=True)
SHAPE = (120, 240)


def street(
    *, height_m: float, pitch_rad: float, scale: float, wall_m: float = 60.0, car_m: float = 0.0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Inverse depth and road mask of a plane before a wall, with a car over half of the width."""
    plane = plane_inverse_depth(RAYS[..., 1], height_m=height_m, pitch_rad=pitch_rad)
    inverse = np.maximum(plane, 1.0 / wall_m)
    is_road = plane > 1.0 / wall_m
    if car_m:
        seen = np.zeros(SHAPE, bool)
        seen[:, : SHAPE[1] // 2] = True
        inverse = np.where(seen, np.maximum(inverse, 1.0 / car_m), inverse)
    return (scale * inverse).astype(np.float32), is_road


def fit(inverse: Any, is_road: Any, *, height_m: float, pitch_rad: float | None) -> RoadScale:
    return fit_road(inverse, is_road, RAYS, height_m=height_m, pitch_rad=pitch_rad)


heights = st.floats(0.5, 3.0)
pitches = st.floats(math.radians(-2.0), math.radians(6.0))
scales = st.floats(1e-2, 1e3)


@given(height_m=heights, pitch_rad=pitches, scale=scales)
def test_scale_of_a_plane_is_found(height_m: float, pitch_rad: float, scale: float) -> None:
    inverse, is_road = street(height_m=height_m, pitch_rad=pitch_rad, scale=scale)
    found = fit(inverse, is_road, height_m=height_m, pitch_rad=pitch_rad)
    assert found.refusal == ''
    assert found.scale == pytest.approx(scale, rel=1e-3)
    assert found.relative_std < 1e-3
    assert found.horizon_pitch_rad == pytest.approx(pitch_rad, abs=1e-3)


@given(height_m=heights, pitch_rad=pitches, scale=scales)
def test_pitch_is_estimated(height_m: float, pitch_rad: float, scale: float) -> None:
    inverse, is_road = street(height_m=height_m, pitch_rad=pitch_rad, scale=scale)
    found = fit(inverse, is_road, height_m=height_m, pitch_rad=None)
    assert found.pitch_rad == pytest.approx(pitch_rad, abs=math.radians(0.1))
    assert found.scale == pytest.approx(scale, rel=0.02)


@given(seed=st.integers(0, 2**32 - 1), car_m=st.floats(3.0, 6.0))
def test_noise_and_a_car_that_is_labelled_road_do_no_harm(seed: int, car_m: float) -> None:
    inverse, is_road = street(height_m=1.6, pitch_rad=0.0, scale=8.0, car_m=car_m)
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.normal(0.0, 1.0, SHAPE).astype(np.float32), (0, 0), 6.0)
    noisy = inverse * (1.0 + 0.03 * smooth / smooth.std()).astype(np.float32)
    found = fit(noisy, is_road, height_m=1.6, pitch_rad=0.0)
    assert found.off_plane_share > 0.2
    assert found.scale == pytest.approx(8.0, rel=0.03)


def test_height_and_scale_go_together() -> None:
    inverse, is_road = street(height_m=1.5, pitch_rad=0.0, scale=8.0)
    found = fit(inverse, is_road, height_m=1.65, pitch_rad=0.0)
    assert found.scale == pytest.approx(8.0 * 1.1, rel=1e-3)


@pytest.mark.parametrize(
    ('inverse', 'is_road', 'reason'),
    [
        (np.ones(SHAPE), np.zeros(SHAPE, bool), '0.0% of the image'),
        (np.ones(SHAPE), np.ones(SHAPE, bool), '0.0% of the image'),
        (np.zeros(SHAPE), np.ones(SHAPE, bool), '0.0% of the image'),
        (np.full(SHAPE, np.nan), np.ones(SHAPE, bool), '0.0% of the image'),
    ],
)
def test_what_is_no_road_is_refused(inverse: Any, is_road: Any, reason: str) -> None:
    found = fit(inverse.astype(np.float32), is_road, height_m=1.6, pitch_rad=None)
    assert reason in found.refusal
    assert math.isnan(found.scale)


def test_road_that_is_mostly_off_the_plane_is_refused() -> None:
    inverse, is_road = street(height_m=1.6, pitch_rad=0.0, scale=8.0)
    inverse[:, :200] = 8.0 / 4.0
    found = fit(inverse, is_road, height_m=1.6, pitch_rad=0.0)
    assert 'off the plane' in found.refusal


def test_shapes_and_height_are_checked() -> None:
    inverse, is_road = street(height_m=1.6, pitch_rad=0.0, scale=8.0)
    with pytest.raises(UserError, match='one camera image'):
        fit(inverse, is_road[1:], height_m=1.6, pitch_rad=0.0)
    with pytest.raises(UserError, match='camera height 0'):
        fit(inverse, is_road, height_m=0.0, pitch_rad=0.0)


def road_of(scale: float, refusal: str = '') -> RoadScale:
    return RoadScale(scale, 0.01, 0.0, 0.0, 0.1, 0.1, refusal)


def test_filter_smooths_coasts_and_gives_up() -> None:
    scales = ScaleFilter()
    assert math.isnan(scales.update(road_of(float('nan'), 'no road'), 0.0).scale)
    rng = np.random.default_rng(0)
    given_scales = 8.0 * np.exp(rng.normal(0.0, 0.03, 100))
    answers = [scales.update(road_of(s), 0.1 * (i + 1)) for i, s in enumerate(given_scales)]
    errors = [math.log(answer.scale / 8.0) for answer in answers[20:]]
    assert np.std(errors) < 0.022
    assert scales.update(road_of(80.0), 10.1).scale == pytest.approx(8.0, rel=0.05)
    lost = road_of(float('nan'), 'no road')
    held = scales.update(lost, 10.5)
    assert held.scale == pytest.approx(8.0, rel=0.05)
    assert (answers[-1].held_s, held.held_s) == (0.0, pytest.approx(0.5))
    late = scales.update(lost, 20.0)
    assert (late.refusal, math.isnan(late.scale)) == ('no road', True)


def test_filter_follows_a_scene_that_changed_and_a_clock_that_went_back() -> None:
    scales = ScaleFilter()
    scales.update(road_of(8.0), 100.0)
    for index in range(7):
        answer = scales.update(road_of(16.0), 100.1 + 0.1 * index)
    assert answer.scale == pytest.approx(16.0, rel=0.01)
    assert scales.update(road_of(4.0), 3.0).scale == pytest.approx(4.0)


sizes = st.integers(1, 400)


@given(width=sizes, height=sizes, x=st.floats(-50.0, 300.0), y=st.floats(-50.0, 200.0))
def test_resized_camera_sees_the_same_rays(width: int, height: int, x: float, y: float) -> None:
    small = CAMERA.resized(width, height)
    ray = (x - CAMERA.k[2]) / CAMERA.k[0], (y - CAMERA.k[5]) / CAMERA.k[4]
    there = (x + 0.5) * width / 240 - 0.5, (y + 0.5) * height / 120 - 0.5
    for fx, cx, fy, cy in (
        (small.k[0], small.k[2], small.k[4], small.k[5]),
        (small.p[0], small.p[2], small.p[5], small.p[6]),
    ):
        assert ((there[0] - cx) / fx, (there[1] - cy) / fy) == pytest.approx(ray, abs=1e-6)


def test_window_and_binning_are_those_of_the_pixels() -> None:
    stereo = Camera(**{**vars(CAMERA), 'p': (*CAMERA.p[:3], -16.0, *CAMERA.p[4:])})
    seen = stereo.window(x=40, y=20, width=100, height=60, binning=(2, 2))
    assert (seen.width, seen.height) == (50, 30)
    mean = RAYS[20:80, 40:140].reshape(30, 2, 50, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(seen.rays(rectified=False), mean, atol=1e-6)
    np.testing.assert_allclose(seen.rays(rectified=True), mean, atol=1e-6)
    assert seen.p[3] == pytest.approx(-8.0)


def test_binning_that_leaves_a_rest_scales_by_whole_pixels() -> None:
    camera = Camera.pinhole(width=1242, height=375, fx=720.0, fy=720.0, cx=600.0, cy=170.0)
    binned = camera.window(x=0, y=0, width=1242, height=375, binning=(4, 4))
    assert (binned.width, binned.height) == (310, 93)
    assert (binned.k[0], binned.k[4]) == (180.0, 180.0)


def test_window_outside_of_the_sensor_is_refused() -> None:
    with pytest.raises(UserError, match='region of interest of 100 x 60'):
        CAMERA.window(x=200, y=20, width=100, height=60, binning=(1, 1))


def test_pixels_that_the_lens_model_cannot_invert_have_no_ray() -> None:
    wide = dict(vars(CAMERA), distortion_model='equidistant', d=(0.0,) * 4)
    wide['k'] = (60.0, 0.0, 119.0, 0.0, 60.0, 50.0, 0.0, 0.0, 1.0)
    rays = Camera(**wide).rays(rectified=False)
    columns, rows = np.meshgrid(np.arange(240) - 119.0, np.arange(120) - 50.0)
    angle = np.hypot(columns, rows) / 60.0
    assert np.isnan(rays[angle > math.radians(91.0)]).all()
    assert np.isfinite(rays[angle < math.radians(85.0)]).all()
    folding = dict(vars(CAMERA), d=(-0.9, 0.0, 0.0, 0.0, 0.0))
    rays = Camera(**folding).rays(rectified=False)
    assert np.isnan(rays[0, 239]).all()
    assert np.isfinite(rays[50, 119]).all()


@pytest.mark.parametrize(
    ('model', 'd'),
    [
        ('plumb_bob', (-0.3, 0.1, 0.001, -0.002, 0.0)),
        ('rational_polynomial', (0.2, 0.05, 0.001, 0.0, 0.01, 0.1, 0.02, 0.0)),
        ('rational_polynomial', (0.2, 0.05, 0.001, 0.0, 0.01, 0.1, 0.02, 0.0, *(0.001,) * 6)),
        ('equidistant', (0.05, -0.01, 0.002, 0.0)),
    ],
)
def test_rays_of_a_distorted_image_project_back(model: str, d: tuple[float, ...]) -> None:
    camera = Camera(**{**vars(CAMERA), 'd': d, 'distortion_model': model})
    rays = camera.rays(rectified=False)[::10, ::10]
    points = np.dstack([rays, np.ones(rays.shape[:2])]).reshape(-1, 1, 3).astype(np.float64)
    project = cv2.fisheye.projectPoints if model == 'equidistant' else cv2.projectPoints
    zero = np.zeros(3)
    matrix = np.reshape(camera.k, (3, 3))
    pixels = project(points, zero, zero, matrix, np.asarray(d))[0].reshape(*rays.shape)
    columns, rows = np.meshgrid(np.arange(0, 240, 10), np.arange(0, 120, 10))
    np.testing.assert_allclose(pixels, np.dstack([columns, rows]), atol=0.05)
    flat = camera.rays(rectified=True)
    np.testing.assert_array_equal(flat, RAYS)


def test_camera_without_focal_length_is_refused() -> None:
    with pytest.raises(UserError, match='focal lengths are 0'):
        Camera(**{**vars(CAMERA), 'k': (0.0,) * 9})
    for name in ('k', 'd', 'r', 'p'):
        for odd in (math.nan, math.inf):
            spoilt = (odd, *getattr(CAMERA, name)[1:])
            with pytest.raises(UserError, match=f'camera: {name} holds .* finite'):
                Camera(**{**vars(CAMERA), name: spoilt})
    with pytest.raises(UserError, match='in P'):
        Camera(**{**vars(CAMERA), 'p': (0.0,) * 12}).rays(rectified=True)


def test_metric_depth_says_where_there_is_none() -> None:
    inverse = np.array([[0.0, 0.05, 0.5, np.nan, 2.0, 2.0]], np.float32)
    is_sky = np.array([[False, False, False, False, True, False]])
    rays = np.zeros((1, 6, 2), np.float32)
    rays[0, 5] = np.nan
    depth_m = metric_depth(inverse, is_sky, rays=rays, scale=2.0, max_range_m=30.0)
    np.testing.assert_array_equal(depth_m, [[np.inf, np.inf, 4.0, np.nan, np.inf, np.nan]])


@given(stride=st.integers(1, 7), seed=st.integers(0, 1000))
def test_points_lie_on_the_rays_of_their_pixels(stride: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth_m = rng.uniform(1.0, 50.0, SHAPE).astype(np.float32)
    depth_m[rng.random(SHAPE) < 0.3] = np.inf
    rgb = rng.integers(0, 256, (*SHAPE, 3), np.uint8)
    labels = rng.integers(0, 11, SHAPE, np.uint8)
    confidence = rng.random(SHAPE).astype(np.float32)
    build = CloudBuilder(RAYS, stride=stride)
    build(depth_m + 1.0, rgb=rgb, labels=labels, confidence=confidence)
    points = build(depth_m, rgb=rgb, labels=labels, confidence=confidence)
    every = (slice(None, None, stride), slice(None, None, stride))
    there = np.isfinite(depth_m[every])
    assert points.shape == there.shape
    assert np.isnan([points[name][~there] for name in 'xyz']).all()
    x, y, z = (points[name][there] for name in 'xyz')
    np.testing.assert_array_equal(z, depth_m[every][there])
    np.testing.assert_allclose(np.stack([x / z, y / z], -1), RAYS[every][there], atol=1e-5)
    color = points['rgb'].copy().view(np.uint8).reshape(*there.shape, 4)
    np.testing.assert_array_equal(color[..., 2::-1], rgb[every])
    np.testing.assert_array_equal(points['label'], labels[every])
    np.testing.assert_array_equal(points['confidence'], confidence[every])
    assert finite_points(points).shape == (1, there.sum())


@given(shift=st.integers(8, 40))
def test_edges_of_depth_agree_with_the_mask_of_the_same_scene_alone(shift: int) -> None:
    inverse, is_road = street(height_m=1.5, pitch_rad=0.0, scale=10.0, car_m=8.0)
    labels = is_road.astype(np.uint8)
    labels[inverse == np.float32(10.0 / 8.0)] = 2
    assert edge_agreement(inverse, labels) > 0.95
    assert edge_agreement(inverse, np.roll(labels, shift, axis=1)) < 0.5


def test_depth_without_edges_says_nothing() -> None:
    inverse, is_road = street(height_m=1.5, pitch_rad=0.0, scale=10.0)
    assert math.isnan(edge_agreement(inverse, is_road.astype(np.uint8)))
    assert math.isnan(edge_agreement(np.zeros_like(inverse), is_road.astype(np.uint8)))

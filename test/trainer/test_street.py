# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The street renderer: exact geometry, all classes, determinism, and the drive on disk."""

from dataclasses import replace
from pathlib import Path

import cv2
from depthforge_ros.labels import CAMVID
from depthforge_trainer import street
from depthforge_trainer.street import drive, scene
from depthforge_trainer.street.camera import Camera, PAVEMENT, ROAD, SKY
from depthforge_trainer.street.layout import random_scene
import numpy as np
import pytest


def level_camera(height_m: float = 1.5) -> Camera:
    """Return a small camera that looks straight along the street."""
    return Camera(
        width=160, height=80, fx_px=120.0, fy_px=120.0, cx_px=79.5, cy_px=39.5, height_m=height_m
    )


def test_same_seed_same_frame() -> None:
    first, second = (street.sample(5, 48, 96) for _ in range(2))
    np.testing.assert_array_equal(first.rgb, second.rgb)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.depth_m, second.depth_m)


def test_other_seed_other_frame() -> None:
    assert (street.sample(5, 48, 96).rgb != street.sample(6, 48, 96).rgb).any()


def test_shapes_types_and_sky_depth() -> None:
    for seed in range(4):
        frame = street.sample(seed, 40, 90)
        assert frame.rgb.shape == (40, 90, 3)
        assert frame.rgb.dtype == frame.labels.dtype == np.uint8
        assert frame.depth_m.dtype == np.float32
        np.testing.assert_array_equal(np.isinf(frame.depth_m), frame.labels == SKY)
        assert (frame.depth_m > 0).all()
        assert frame.labels.max() < len(CAMVID)


def test_all_classes_occur() -> None:
    seen: set[int] = set()
    for seed in range(12):
        seen |= set(np.unique(street.sample(seed, 96, 192).labels).tolist())
    assert seen == set(range(len(CAMVID)))


@pytest.mark.parametrize('height_m', [1.2, 1.5])
def test_road_depth_is_the_ground_plane(height_m: float) -> None:
    camera = level_camera(height_m)
    frame = street.render(
        random_scene(np.random.default_rng(3), 0.001), camera, 0.0, np.random.default_rng(0)
    )
    rows, _ = np.nonzero(frame.labels == ROAD)
    assert rows.size > 1000
    expected = camera.fy_px * height_m / (rows - camera.cy_px)
    np.testing.assert_allclose(frame.depth_m[frame.labels == ROAD], expected, rtol=1e-6)


def test_pavement_is_at_kerb_height_or_on_the_kerb() -> None:
    camera = level_camera()
    plain = scene.Scene(scene.Street(kerb_m=0.2))
    frame = street.render(plain, camera, 0.0, np.random.default_rng(0))
    rows, columns = np.nonzero(frame.labels == PAVEMENT)
    depth_m = frame.depth_m[rows, columns]
    up_m = camera.height_m - depth_m * (rows - camera.cy_px) / camera.fy_px
    assert up_m.min() > -1e-3
    assert up_m.max() < 0.2 + 1e-3
    assert (up_m > 0.2 - 1e-3).mean() > 0.5


def test_a_wall_across_is_where_it_was_put() -> None:
    sign = scene.Sign(s_m=12.1, lateral_m=0.0, base_m=0.5, width_m=2.0, height_m=2.0, variant=8)
    only = scene.Scene(scene.Street(), signs=(sign,))
    frame = street.render(only, level_camera(), 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(frame.depth_m[35:45, 75:85], 12.0, rtol=1e-5)


def test_movers_move() -> None:
    car = scene.Vehicle(s_m=12.0, lateral_m=0.0, speed_m_s=5.0)
    only = scene.Scene(scene.Street(), vehicles=(car,))
    near, far = (
        street.render(only, level_camera(), time_s, np.random.default_rng(0)).depth_m[42, 80]
        for time_s in (0.0, 2.0)
    )
    assert far - near == pytest.approx(10.0, abs=0.3)


def test_dusk_is_darker() -> None:
    day = random_scene(np.random.default_rng(1), 0.0)
    day = replace(day, conditions=scene.Conditions(daylight=1.0))
    dusk = replace(day, conditions=scene.Conditions(daylight=0.1))
    bright, dark = (
        street.render(one, level_camera(), 0.0, np.random.default_rng(0)).rgb.mean()
        for one in (day, dusk)
    )
    assert dark < 0.75 * bright


@pytest.mark.parametrize(
    ('build', 'match'),
    [
        (lambda: replace(level_camera(), fx_px=-1.0), 'fx_px'),
        (lambda: replace(level_camera(), height_m=float('nan')), 'height_m'),
        (lambda: scene.Conditions(daylight=1.5), 'daylight'),
        (lambda: scene.Street(kerb_m=2.0), 'kerb_m'),
        (lambda: scene.SideStreet(5.0, 10.0, 0), 'side'),
        (lambda: scene.Building(10.0, 5.0, 8.0, 6.0), 'end_m'),
        (lambda: scene.Tree(0.0, 0.0, kind='palm'), 'palm'),
        (lambda: scene.Vehicle(0.0, 0.0, tint=(3.0, 0.0, 0.0)), 'tint'),
        (
            lambda: street.Frame(
                np.zeros((2, 2, 3), np.uint8),
                np.zeros((2, 3), np.uint8),
                np.zeros((2, 2), np.float32),
            ),
            'shapes',
        ),
        (lambda: street.sample(-1, 40, 40), 'seed'),
        (lambda: street.sample(0, 2, 40), 'height'),
    ],
)
def test_wrong_values_are_named(build, match: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=match):
        build()


def test_depth_encoding_is_precise_enough() -> None:
    depth_m = np.geomspace(0.25, 60.0, 2000, dtype=np.float32)
    decoded = drive.decode_depth(drive.encode_depth(depth_m))
    np.testing.assert_allclose(decoded, depth_m, rtol=0.005)
    assert np.isinf(drive.decode_depth(drive.encode_depth(np.array([np.inf], np.float32))))


def test_drive_round_trip(tmp_path: Path) -> None:
    drive.write_drive(tmp_path, 2, 3, 64, 128)
    assert len(list((tmp_path / 'images').glob('*.jpg'))) == 3
    text = (tmp_path / 'camera.yaml').read_text(encoding='utf-8')
    for key in ('camera_matrix', 'rate_hz: 10.0', 'camera_height_m: 1.5', 'depth_scale: 6600.0'):
        assert key in text
    frame = drive.drive_frame(drive.drive_scene(2), 2, 1, 3, 64, 128)
    labels = cv2.imread(str(tmp_path / 'labels' / '000001.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, frame.labels)
    value = cv2.imread(str(tmp_path / 'depth' / '000001.png'), cv2.IMREAD_UNCHANGED)
    assert value.dtype == np.uint16
    decoded = drive.decode_depth(value)
    near = frame.depth_m < 60.0
    np.testing.assert_allclose(decoded[near], frame.depth_m[near], rtol=0.005)
    np.testing.assert_array_equal(np.isinf(decoded), labels == SKY)
    image = cv2.imread(str(tmp_path / 'images' / '000001.jpg'))
    assert np.abs(image[..., ::-1].astype(int) - frame.rgb).mean() < 12


def test_the_light_of_the_drive_goes_from_day_to_dusk() -> None:
    light = [drive.daylight_at(index, drive.FRAMES) for index in range(drive.FRAMES)]
    assert light == sorted(light, reverse=True)
    assert light[30] > 0.9
    assert light[-31] < 0.2


def test_obstacles_are_of_no_class_and_change_nothing_else() -> None:
    box = scene.Obstacle(12.0, 0.0, 1.0, 0.8, 0.6)
    empty = random_scene(np.random.default_rng(3), 0.0)
    without, seen = (
        street.render(one, level_camera(), 0.0, np.random.default_rng(0))
        for one in (empty, replace(empty, obstacles=(box,)))
    )
    found = seen.labels == 255
    # 1 m wide and 0.8 m high at 12 m: 10 x 8 pixels, and the top.
    assert 80 <= found.sum() <= 110
    assert seen.depth_m[found].min() == pytest.approx(12.0, rel=1e-3)
    assert (seen.depth_m[found] < without.depth_m[found]).all()
    np.testing.assert_array_equal(seen.labels[~found], without.labels[~found])

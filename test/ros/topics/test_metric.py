# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Metric depth, its camera_info and points over real DDS, and what withholds them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.labels import CAMVID
from depthforge_ros.ros.topics.camera_info import camera_info_message
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from support.networks import MINI, mini_checkpoint, variant
from support.node import (
    CAMERA,
    DEPTH,
    figures,
    identity,
    make_image,
    MASK,
    node_in_process,
    reliable,
)

IMAGE = '/depthforge/depth/image'
INFO = '/depthforge/depth/camera_info'
POINTS = '/depthforge/points'
HEIGHT_M = 1.5
FX = 50.0
"""Focal length of CAMERA, pixels."""
POINT = np.dtype(
    {
        'names': ['x', 'y', 'z', 'rgb', 'label', 'confidence'],
        'formats': ['<f4', '<f4', '<f4', '<u4', '<u1', '<f4'],
        'offsets': [0, 4, 8, 12, 16, 20],
        'itemsize': 24,
    }
)


class Street:
    """The node with a camera beside it."""

    def __init__(self, peer: Any, node: Any) -> None:
        self._peer = peer
        self.relative = peer.subscribe(Image, DEPTH, seen_by=node)
        self.depth = peer.subscribe(Image, IMAGE, seen_by=node)
        self.infos = peer.subscribe(CameraInfo, INFO, seen_by=node)
        self.points = peer.subscribe(PointCloud2, POINTS, seen_by=node)
        self.reports = peer.subscribe(DiagnosticArray, '/diagnostics')
        self._image = peer.publisher(Image, '/image', seen_by=node)
        self._info = peer.publisher(CameraInfo, '/camera_info', seen_by=node)
        self._calibration = node._rig.cameras[0].spatial.calibration

    def calibrate(self, info: Any) -> None:
        before = self._calibration._info
        self._info.publish(info)
        self._peer.spin_until(lambda: self._calibration._info is not before)

    def show(self, number: int) -> None:
        """Publish a frame and wait until it is answered, with metres or without."""
        before = len(self.relative)
        self._image.publish(make_image(number))
        self._peer.spin_until(lambda: len(self.relative) > before)
        self._peer.spin_for(0.3)

    def warning(self) -> str:
        def is_withheld() -> bool:
            status = self.reports[-1].status[0] if self.reports else None
            return bool(status and 'no metric depth' in status.message)

        self._peer.spin_until(is_withheld)
        status = self.reports[-1].status[0]
        assert status.level == DiagnosticStatus.WARN
        return str(status.message)


def plane(message: Any, dtype: Any) -> Any:
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


def expected_m() -> Any:
    """Depth of the road by row, from the camera alone."""
    with np.errstate(divide='ignore'):
        return FX * HEIGHT_M / np.arange(48)


def info_message(camera: Camera = CAMERA) -> Any:
    return camera_info_message(Header(frame_id='front_camera'), camera)


def test_metres_info_and_points_of_one_frame(peer: Any) -> None:
    with node_in_process(camera_height_m=HEIGHT_M, max_range_m=20.0, points_stride=2) as node:
        street = Street(peer, node)
        street.calibrate(info_message())
        street.show(7)
        assert len(street.depth) == len(street.infos) == len(street.points) == 1
        answers = (street.depth[0], street.infos[0], street.points[0])
        assert {identity(one) for one in answers} == {identity(make_image(7))}
        depth_m = plane(street.depth[0], np.float32)
        assert street.depth[0].encoding == '32FC1'
        is_sky = plane_of_labels() == CAMVID.classes.index('sky')
        assert np.isinf(depth_m[is_sky]).all()
        assert np.isinf(depth_m[:3]).all()
        rows = depth_m[6:46, 40]
        np.testing.assert_allclose(rows, expected_m()[6:46], rtol=0.1)
        info = street.infos[0]
        assert (info.width, info.height) == (64, 48)
        assert tuple(info.k) == CAMERA.k
        check_points(street.points[0], depth_m)

        def is_told() -> bool:
            told = figures(street.reports[-1].status[0]) if street.reports else {}
            return float(told.get('implied_camera_height_m', 0)) == pytest.approx(HEIGHT_M, 0.01)

        peer.spin_until(is_told)


def test_a_floor_of_confidence_is_for_the_mask_alone(peer: Any) -> None:
    depths = []
    for floor in (0.0, 0.6):
        with node_in_process(metric_scale=5.0, confidence_floor=floor) as node:
            street = Street(peer, node)
            masks = peer.subscribe(Image, MASK, seen_by=node)
            street.calibrate(info_message())
            street.show(7)
            peer.spin_until(lambda masks=masks, street=street: masks and street.depth)
            depths.append(plane(street.depth[0], np.float32))
            share = float(np.mean(np.asarray(masks[0].data) == 255))
    assert share > 0.5
    assert np.isinf(depths[0]).any()
    np.testing.assert_array_equal(*depths)


def plane_of_labels() -> Any:
    """Labels of the null engine, as the camera sees them: the sky is its first columns."""
    columns = np.zeros((48, 64), np.uint8)
    columns[:, 7:] = 1
    columns[:, 4:7] = 255
    return columns


def check_points(message: Any, depth_m: Any) -> None:
    assert (message.width, message.height, message.point_step) == (32, 24, 24)
    told = [(one.name, one.offset, one.datatype, one.count) for one in message.fields]
    floats = [(name, 4 * index, 7, 1) for index, name in enumerate(('x', 'y', 'z', 'rgb'))]
    assert told == [*floats, ('label', 16, 2, 1), ('confidence', 20, 7, 1)]
    points = np.frombuffer(message.data, POINT).reshape(24, 32)
    there = np.isfinite(depth_m[::2, ::2])
    np.testing.assert_array_equal(np.isfinite(points['z']), there)
    np.testing.assert_array_equal(points['z'][there], depth_m[::2, ::2][there])
    columns = (np.arange(0, 64, 2) - CAMERA.k[2]) / FX
    np.testing.assert_allclose(points['x'][10], columns * points['z'][10], rtol=1e-5)
    np.testing.assert_array_equal(points['rgb'], 0x070707)


def test_outputs_of_the_network_s_size_belong_together(peer: Any) -> None:
    given = {'output_resolution': 'network', 'short_side': 32, 'camera_height_m': HEIGHT_M}
    with node_in_process(**given, max_range_m=20.0, points_stride=1) as node:
        street = Street(peer, node)
        masks = peer.subscribe(Image, MASK, seen_by=node)
        street.calibrate(info_message())
        street.show(7)
    depth_m = plane(street.depth[0], np.float32)
    assert depth_m.shape == (32, 48) == (masks[0].height, masks[0].width)
    camera = CAMERA.resized(48, 32)
    assert (street.infos[0].width, street.infos[0].height) == (48, 32)
    assert tuple(street.infos[0].k) == pytest.approx(camera.k)
    with np.errstate(divide='ignore'):
        expected = camera.k[4] * HEIGHT_M / (np.arange(32) - camera.k[5])
    np.testing.assert_allclose(depth_m[6:, 40], expected[6:], rtol=0.1)
    points = np.frombuffer(street.points[0].data, POINT).reshape(32, 48)
    np.testing.assert_array_equal(points['z'][6:, 40], depth_m[6:, 40])
    assert figures(street.reports[-1].status[0])['dropped'] == '0'


def test_cameras_have_heights_of_their_own(peer: Any) -> None:
    heights = {'camera_height_m': HEIGHT_M, 'left.camera_height_m': 3.0}
    with node_in_process(**heights, **reliable('front', 'left')) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')
        for camera in node._rig.cameras:
            info = peer.publisher(CameraInfo, f'/{camera.name}/camera_info', seen_by=node)
            info.publish(info_message())
            peer.spin_until(lambda: camera.spatial.calibration.has_info)  # noqa: B023
            peer.publisher(Image, f'/{camera.name}/image', seen_by=node).publish(make_image(1))

        def scales() -> list[float]:
            told = [figures(one) for one in reports[-1].status] if reports else []
            return [float(one['metric_scale']) for one in told if 'metric_scale' in one]

        peer.spin_until(lambda: len(scales()) == 2)
        front, left = scales()
        assert left / front == pytest.approx(3.0 / HEIGHT_M, rel=1e-3)
        outcome = node.set_parameters([Parameter('left.camera_height_m', value=2.0)])[0]
        assert 'read at configure' in outcome.reason


def test_height_of_a_camera_is_checked() -> None:
    own = {'cameras': ['front'], 'front.camera_height_m': -1.0}
    refusal = pytest.raises(UserError, match=r'front\.camera_height_m: -1\.0 was given')
    with refusal, node_in_process(**own):
        pass


def test_metres_of_a_metric_model_need_no_road(peer: Any, tmp_path: Path) -> None:
    checkpoint = tmp_path / 'metric.safetensors'
    mini_checkpoint(checkpoint, variant(dpt=dataclasses.replace(MINI.dpt, max_depth_m=40.0)))
    with node_in_process(engine='eager', model=str(checkpoint), threads=1) as node:
        street = Street(peer, node)
        street.calibrate(info_message())
        street.show(1)
        inverse = plane(street.relative[0], np.float32)
        depth_m = plane(street.depth[0], np.float32)
    known = np.isfinite(depth_m)
    assert known.any()
    np.testing.assert_allclose(depth_m[known] * inverse[known], 1.0, rtol=1e-5)
    assert 0.0 < depth_m[known].min() <= depth_m[known].max() <= 40.0 * 1.001


def test_millimetres_and_points_without_gaps(peer: Any) -> None:
    values = {'depth_encoding': '16UC1', 'points_organised': False, 'points_stride': 1}
    with node_in_process(max_range_m=20.0, metric_scale=20.0, **values) as node:
        street = Street(peer, node)
        street.calibrate(info_message())
        street.show(1)
        relative = plane(street.relative[0], np.float32)
        depth_mm = plane(street.depth[0], np.uint16)
        known = depth_mm > 0
        assert 0.5 < known.mean() < 1.0
        np.testing.assert_allclose(depth_mm[known], 20_000.0 / relative[known], atol=0.51)
        cloud = street.points[0]
        assert (cloud.height, cloud.width, cloud.is_dense) == (1, known.sum(), True)


def lens(focal: float, centre: float = 32.0) -> list[float]:
    return [focal, 0.0, centre, 0.0, focal, 24.0, 0.0, 0.0, 1.0]


def projection(focal: float) -> list[float]:
    return [focal, 0.0, 32.0, 0.0, 0.0, focal, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]


SPOILT: list[tuple[dict[str, Any], str]] = [
    ({'k': lens(0.0)}, 'focal lengths are 0.0'),
    ({'k': lens(1e308)}, 'focal lengths 1e+308 and 1e+308, lenses have'),
    ({'p': projection(1e6)}, 'focal lengths 1e+06 and 1e+06 in P, lenses have'),
    ({'p': projection(-60.0)}, 'focal lengths -60 and -60 in P, lenses have'),
    ({'width': 640, 'height': 480}, '640 x 480'),
    ({'d': [1e10] * 5}, '0% of the pixels look anywhere'),
    ({'distortion_model': 'fisheye62'}, 'fisheye62'),
    ({'k': lens(60.0, 1e300)}, '0% of the pixels look anywhere'),
    ({'d': [math.nan] * 1000}, '1000 distortion coefficients, no model takes more than 14'),
]


def test_bad_camera_info_withholds_metres_alone(
    peer: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with node_in_process(camera_height_m=HEIGHT_M) as node:
        street = Street(peer, node)
        street.show(1)
        assert 'no camera_info has come on /camera_info; publish it or' in street.warning()
        street.show(2)
        assert capfd.readouterr().err.count('no metric depth for /image: no camera_info') == 1
        for number, (spoilt, reason) in enumerate(SPOILT, start=3):
            info = info_message()
            for name, value in spoilt.items():
                setattr(info, name, value)
            street.calibrate(info)
            street.show(number)
            peer.spin_until(lambda reason=reason: reason in street.warning())
        assert (len(street.depth), len(street.infos), len(street.points)) == (0, 0, 0)
        street.calibrate(info_message())
        street.show(99)
        assert len(street.depth) == 1


def test_a_camera_info_that_nobody_sends_is_told(
    peer: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with node_in_process(metric_scale=20.0) as node:
        peer.publisher(Image, '/image', seen_by=node).publish(make_image(1))
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        reason = 'no camera_info has come on /camera_info; publish it or remap camera_info: it has'
        peer.spin_until(lambda: reports and reason in reports[-1].status[0].message)
        assert f'{reason} no publisher' in capfd.readouterr().err


def test_changed_calibration_withholds_metres_until_it_is_back(peer: Any) -> None:
    with node_in_process(camera_height_m=HEIGHT_M) as node:
        street = Street(peer, node)
        street.calibrate(info_message())
        street.show(1)
        street.calibrate(info_message(CAMERA.resized(128, 96).resized(64, 48)))
        street.show(2)
        assert len(street.depth) == 2
        changed = info_message()
        changed.k[0] = 60.0
        street.calibrate(changed)
        street.show(3)
        assert len(street.depth) == 2
        assert 'another one than at first' in street.warning()
        broken = info_message()
        broken.k[0] = math.nan
        street.calibrate(broken)
        street.show(4)
        peer.spin_until(lambda: 'nan' in street.warning())
        street.calibrate(info_message())
        street.show(5)
        assert (len(street.depth), len(street.relative)) == (3, 5)


def test_without_a_height_nothing_metric_is_said(peer: Any) -> None:
    with node_in_process() as node:
        relative = peer.subscribe(Image, DEPTH, seen_by=node)
        depth = peer.subscribe(Image, IMAGE, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(1))
        peer.spin_until(lambda: len(relative) == 1)
        peer.spin_for(0.3)
        assert depth == []
        assert peer.node.count_subscribers('/camera_info') == 0

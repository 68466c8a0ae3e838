# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Painted points over DDS: which cloud is taken, with which transform, and what withholds them."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.points import point
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.calibration import Calibration, View
from depthforge_ros.ros.topics.camera_info import camera_info_message
from depthforge_ros.ros.topics.lidar import LidarPainter, xyz_of
from depthforge_ros.ros.topics.transforms import Transforms
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Quaternion, Vector3
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header
from support.node import count, identity, make_image, MASK, node_in_process

CAMERA = Camera.pinhole(width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5)
AHEAD = '0 -1 0 0, 0 0 -1 -0.1, 1 0 0 -0.2'
"""LiDAR with x ahead, y left, z up, 0.2 m behind the camera and 0.1 m above."""
OUT = '/depthforge/lidar/points'


def cloud(places: Any, *, stamp_ms: int = 0, frame: str = 'velodyne', kind: str = '<f4') -> Any:
    """Make points (N, 3) with an intensity between, as drivers have it."""
    layout = np.dtype([('intensity', '<u2'), ('x', kind), ('y', kind), ('z', kind), ('i', 'u1')])
    points = np.zeros(len(places), layout)
    for axis, name in enumerate('xyz'):
        points[name] = np.asarray(places)[:, axis]
    datatype = PointField.FLOAT32 if kind.endswith('4') else PointField.FLOAT64
    message = PointCloud2(
        header=Header(frame_id=frame),
        height=1,
        width=len(points),
        point_step=layout.itemsize,
        row_step=layout.itemsize * len(points),
        is_bigendian=kind.startswith('>'),
        fields=[
            PointField(name=name, offset=layout.fields[name][1], datatype=datatype, count=1)
            for name in 'xyz'
        ],
        data=points.tobytes(),
    )
    image = make_image(7).header.stamp
    total_ns = image.sec * 1_000_000_000 + image.nanosec + stamp_ms * 1_000_000
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(total_ns, 1_000_000_000)
    return message


PLACES = [(5.2, 0.05, -0.15), (5.2, 1.05, 0.35), (-5.0, 0.0, 0.0), (np.nan,) * 3]
IN_VIEW = [(24, 31.0), (19, 21.0)]
"""Row and column of the first two."""


def result() -> Any:
    """Stand in for an answer of the camera's size: labels are rows, confidence is columns."""
    rows, columns = np.indices((48, 64))
    return SimpleNamespace(
        labels=rows.astype(np.uint8), confidence=(columns / 64).astype(np.float32)
    )


def painter(lookup: Any = None, **given: Any) -> LidarPainter:
    rays = CAMERA.rays(rectified=True)
    view = View(CAMERA, rays, CAMERA, rays, is_rectified=True)
    calibration: Any = SimpleNamespace(view=lambda _: view)
    config = NodeConfig(**{'lidar_extrinsic': AHEAD, **given})
    return LidarPainter(config, calibration=calibration, topic='/lidar', lookup=lookup)


def paint(made: LidarPainter, number: int = 7) -> Any:
    black = np.zeros((48, 64, 3), np.uint8)
    return made.paint(make_image(number).header, lambda: black, result())


def labels_of(message: Any) -> list[int]:
    return np.frombuffer(message.data, point(np.uint8))['label'].tolist()


def pixels_of(message: Any) -> list[tuple[int, float]]:
    columns = np.frombuffer(message.data, point(np.uint8))['confidence'] * 64
    return list(zip(labels_of(message), columns.tolist(), strict=True))


@pytest.mark.parametrize('kind', ['<f4', '>f4', '<f8'])
def test_points_have_the_class_of_their_pixel(kind: str) -> None:
    made = painter()
    made.take(cloud(PLACES, kind=kind))
    message = paint(made)
    assert identity(message) == identity(cloud(PLACES))
    assert pixels_of(message) == IN_VIEW
    assert (message.height, message.width) == (1, 2)
    assert made.status.unavailable == ''


def test_points_out_of_view_leave_an_empty_message() -> None:
    made = painter()
    made.take(cloud([(-5.0, 0.0, 0.0)]))
    message = paint(made)
    assert (message.height, message.width, message.row_step, len(message.data)) == (1, 0, 0, 0)
    assert identity(message) == identity(cloud(PLACES))


def test_the_nearest_points_are_painted_once() -> None:
    made = painter()
    for stamp_ms in (-120, -20, 40):
        made.take(cloud(PLACES, stamp_ms=stamp_ms))
    assert identity(paint(made)) == identity(cloud(PLACES, stamp_ms=-20))
    assert paint(made) is None
    assert made.status.figures == {'lidar_offset_ms': pytest.approx(-20.0)}


def test_points_of_another_time_are_told() -> None:
    made = painter(lidar_max_offset_ms=30.0)
    assert paint(made) is None
    assert made.status.unavailable == 'no points have come on /lidar'
    made.take(cloud(PLACES, stamp_ms=-200))
    assert paint(made) is None
    assert '200 ms apart, at most 30 ms may be' in made.status.unavailable
    made.take(cloud(PLACES))
    assert paint(made) is not None
    assert made.status.unavailable == ''
    # Two seconds later the LiDAR has fallen silent.
    assert paint(made, 9) is None
    assert '2000 ms apart' in made.status.unavailable


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (lambda m: m.fields.pop(), 'have no z as a number'),
        (lambda m: setattr(m.fields[0], 'datatype', PointField.INT16), 'have no x as a number'),
        (lambda m: setattr(m, 'point_step', 4), 'within their 4 bytes'),
        (lambda m: setattr(m, 'height', 3), 'points on lidar are cut'),
        (lambda m: setattr(m, 'row_step', 10), 'points on lidar are cut'),
    ],
)
def test_points_that_cannot_be_read_are_told(change: Any, error: str) -> None:
    message = cloud(PLACES)
    change(message)
    made = painter()
    made.take(message)
    assert paint(made) is None
    assert error in made.status.unavailable


def test_rows_may_have_gaps_between_them() -> None:
    message = cloud(PLACES)
    step = message.point_step
    octets = np.frombuffer(message.data, np.uint8).reshape(2, 2 * step)
    padded = np.pad(octets, ((0, 0), (0, 5)), constant_values=255)
    message.height, message.width, message.row_step = 2, 2, 2 * step + 5
    message.data = padded.tobytes()
    assert np.array_equal(xyz_of(message), xyz_of(cloud(PLACES)), equal_nan=True)
    message.height = message.width = message.row_step = 0
    message.data = b''
    assert xyz_of(message).shape == (3, 0)


@pytest.mark.parametrize(
    ('given', 'error'),
    [
        ('1 2 3', 'has 3 numbers'),
        ('base_link', "'base_link' was given, allowed is '', tf, or 12 numbers"),
        ('2 0 0 0 0 1 0 0 0 0 1 0', 'is no rotation'),
    ],
)
def test_an_extrinsic_that_is_none_is_refused(given: str, error: str) -> None:
    with pytest.raises(UserError, match=f'parameter lidar_extrinsic.*{error}'):
        NodeConfig(lidar_extrinsic=given)


class FakeTf:
    """tf2_ros as far as the node uses it; it is in no package index for plain Python."""

    class TransformException(Exception):  # noqa: N818
        """What tf raises."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.error = ''
        self.listening = 0
        self.found = SimpleNamespace(
            rotation=Quaternion(x=0.5, y=-0.5, z=0.5, w=0.5),
            translation=Vector3(x=0.0, y=-0.1, z=-0.2),
        )

    def Buffer(self) -> Any:  # noqa: N802
        return self

    def TransformListener(self, buffer: Any, node: Any) -> Any:  # noqa: N802
        self.listening += 1
        return self

    def unregister(self) -> None:
        self.listening -= 1

    def lookup_transform(self, target: str, source: str, time: Any) -> Any:
        self.asked.append((target, source, time.nanoseconds))
        if self.error:
            raise self.TransformException(self.error)
        return SimpleNamespace(transform=self.found)


@pytest.fixture
def tf(monkeypatch: pytest.MonkeyPatch) -> FakeTf:
    fake = FakeTf()
    monkeypatch.setitem(sys.modules, 'tf2_ros', fake)  # type: ignore[arg-type]
    return fake


def test_tf_says_where_the_lidar_is(tf: FakeTf) -> None:
    node: Any = None
    transforms = Transforms(node)
    made = painter(transforms, lidar_extrinsic='tf')
    message = cloud(PLACES)
    made.take(message)
    tf.error = 'extrapolation into the future'
    assert paint(made) is None
    assert (
        "tf has no way from 'velodyne' to 'front_camera' at the stamp of the points (extrapolation"
        in made.status.unavailable
    )
    tf.error = ''
    assert pixels_of(paint(made)) == IN_VIEW
    stamp = message.header.stamp
    at_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    assert tf.asked[-1] == ('front_camera', 'velodyne', at_ns)
    transforms.destroy()
    assert tf.listening == 0


def test_all_cameras_listen_to_tf_together(tf: FakeTf) -> None:
    given = {'left.lidar_extrinsic': AHEAD, 'lidar_extrinsic': 'tf'}
    with node_in_process(cameras=['front', 'rear', 'left'], **given):
        assert tf.listening == 1
    assert tf.listening == 0


def test_without_tf2_ros_the_node_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)  # type: ignore[arg-type]
    node: Any = None
    with pytest.raises(UserError, match='tf2_ros is not installed'):
        Transforms(node)


def test_painted_points_over_dds(peer: Any) -> None:
    with node_in_process(lidar_extrinsic=AHEAD) as node:
        spatial = node._rig.cameras[0].spatial
        points = peer.subscribe(PointCloud2, OUT, seen_by=node)
        masks = peer.subscribe(Image, MASK, seen_by=node)
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')
        image = peer.publisher(Image, '/image', seen_by=node)
        info = peer.publisher(CameraInfo, '/camera_info', seen_by=node)
        lidar = peer.publisher(PointCloud2, '/lidar', seen_by=node)
        image.publish(make_image(7))
        peer.spin_until(lambda: masks)

        def told() -> str:
            return str(reports[-1].status[0].message) if reports else ''

        peer.spin_until(lambda: 'no painted points of the LiDAR: no points' in told())
        info.publish(camera_info_message(Header(), CAMERA))
        lidar.publish(cloud(PLACES))
        peer.spin_until(lambda: spatial.calibration.has_info and spatial.lidar.has_points)
        image.publish(make_image(7))
        peer.spin_until(lambda: points)
        peer.spin_until(lambda: 'LiDAR' not in told())
    (message,) = points
    assert identity(message) == identity(cloud(PLACES))
    mask = np.frombuffer(masks[-1].data, np.uint8).reshape(48, 64)
    assert labels_of(message) == [mask[24, 31], mask[19, 21]]


def test_points_that_nobody_wants_lack_nothing(peer: Any) -> None:
    with node_in_process(lidar_extrinsic=AHEAD) as node:
        (camera,) = node._rig.cameras
        watcher = peer.node.create_subscription(PointCloud2, OUT, print, 1)
        peer.spin_until(lambda: node.count_subscribers(OUT))
        image = peer.publisher(Image, '/image', seen_by=node)
        image.publish(make_image(7))
        peer.spin_until(lambda: camera.output_statuses()['lidar'].unavailable)
        peer.node.destroy_subscription(watcher)
        peer.spin_until(lambda: not camera.output_statuses()['lidar'].unavailable)


def test_lidar_is_unread_by_default(peer: Any) -> None:
    with node_in_process() as node:
        names = {one.topic_name for one in node.subscriptions}
        peer.subscribe(PointCloud2, OUT, seen_by=node)  # as RViz does
        peer.publisher(Image, '/image', seen_by=node).publish(make_image(7))
        peer.spin_until(lambda: count(node).published == 1)
        status = node._rig.cameras[0].output_statuses()['lidar']
    assert '/lidar' not in names
    assert (status.disabled, status.unavailable) == ('off: set lidar_extrinsic', '')
    assert not Calibration(info_topic='', is_rectified=True).has_info

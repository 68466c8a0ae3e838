# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What Foxglove, Rerun and RViz (by `ros2 bag play`) ask of the file that `view` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from depthforge_ros.bags.make_bag import START_NS
from depthforge_ros.evaluation.answers import Answer
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.geometry.points import point
from depthforge_ros.labels import CAMVID
from depthforge_ros.reports.foxglove import Calibration, write_view
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from support.geometry import rotation_matrix

HEIGHT_M = 1.5
ROAD, SKY = 3, 0


@pytest.fixture(scope='module')
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two frames of a flat road below a sky."""
    camera = Camera.pinhole(width=80, height=48, fx=50.0, fy=50.0, cx=40.0, cy=24.0)
    y = camera.rays(rectified=False)[..., 1]
    answers = (
        Answer(
            START_NS + number * 10**8,
            lambda: np.full((48, 80, 3), 90, np.uint8),
            labels=np.where(y > 0.0, ROAD, SKY).astype(np.uint8),
            inverse_depth=np.maximum(7.0 * y / HEIGHT_M, 0.0).astype(np.float32),
        )
        for number in range(2)
    )
    output = tmp_path_factory.mktemp('view') / 'view.mcap'
    write_view(output, answers, space=CAMVID, calibration=Calibration(camera, HEIGHT_M))
    return output


def test_every_channel_says_how_it_is_read(view: Path) -> None:
    """Viewers without ROS read messages by the definitions in the file, found by its summary."""
    with view.open('rb') as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == 'ros2'
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.chunk_indexes
        decoded = [channel.topic for _, channel, _, _ in reader.iter_decoded_messages()]
    counts = summary.statistics.channel_message_counts
    for number, channel in summary.channels.items():
        schema = summary.schemas[channel.schema_id]
        assert (channel.message_encoding, schema.encoding) == ('cdr', 'ros2msg')
        assert b'MSG: ' in schema.data, f'{schema.name} lacks what it is made of'
        assert counts[number] == decoded.count(channel.topic) > 0


def messages(view: Path, topic: str) -> list[Any]:
    with view.open('rb') as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        return [one.decoded_message for one in reader.iter_decoded_messages(topics=[topic])]


def test_the_road_lies_at_the_height_0_of_the_viewers(view: Path) -> None:
    """Viewers draw z up; without a frame that has it so, the road would stand upright."""
    (message,) = messages(view, '/tf_static')
    (stamped,) = message.transforms
    assert (stamped.header.frame_id, stamped.child_frame_id) == ('road', 'camera')
    turn = rotation_matrix(stamped.transform.rotation)
    shift = stamped.transform.translation
    cloud, _ = messages(view, '/depthforge/points')
    assert cloud.header.frame_id == stamped.child_frame_id
    points = np.frombuffer(cloud.data, np.float32).reshape(len(cloud.data) // cloud.point_step, -1)
    placed = points[:, :3] @ turn.T + np.array([shift.x, shift.y, shift.z])
    np.testing.assert_allclose(placed[:, 2], 0.0, atol=0.05)
    assert placed[:, 0].min() > 0.0, 'the road lies ahead, along x'
    left = points[:, 0] < 0.0
    assert (placed[left, 1] > 0.0).all()


def test_points_lie_on_the_road_below_the_camera(view: Path) -> None:
    cloud, _ = messages(view, '/depthforge/points')
    points = np.frombuffer(cloud.data, point(np.uint8))
    assert len(points) == cloud.width > 400
    np.testing.assert_allclose(points['y'], HEIGHT_M, rtol=0.02)
    assert set(points['label']) == {ROAD}
    assert points['z'].max() <= 80.0
    info, _ = messages(view, '/camera/camera_info')
    assert info.k[0] == 50.0


def test_a_replay_latches_the_transform(view: Path) -> None:
    """A listener to tf takes /tf_static from none but a latched publisher."""
    with Reader(view) as reader:
        latched = {
            one.topic
            for one in reader.connections
            for qos in getattr(one.ext, 'offered_qos_profiles', ())
            if qos.durability.name == 'TRANSIENT_LOCAL'
        }
    assert latched == {'/tf_static'}

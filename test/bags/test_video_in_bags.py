# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Cameras of a bag that are not decoded, such as H.264 of Foxglove or ffmpeg_image_transport."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.bags.bag import Bag
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from support.bags import recording, scene, write_truth
from support.judging import CAMVID_TRUTH, judge

H264 = bytes.fromhex(
    '000000016764000aacb23d08000003000800000300a4789132400000000168ebc112c8b000000001658884'
    '37c59ca6e2fffde351e9fbdee9fd'
)
"""A grey picture of 16 x 16 pixels, as libx264 encodes it: its settings and one whole frame."""
FOXGLOVE = 'foxglove_msgs/msg/CompressedVideo'
FFMPEG = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
IMAGE = 'sensor_msgs/msg/Image'
DEFINITIONS = {
    FOXGLOVE: 'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n',
    FFMPEG: 'std_msgs/Header header\nint32 width\nint32 height\nuint64 pts\nuint8 flags\n'
    'bool is_bigendian\nstring encoding\nuint8[] data\n',
}


def message(types: Any, kind: str) -> Any:
    """Fill a message of some kind; of an Image, grey."""
    stamp = types['builtin_interfaces/msg/Time'](1_700_000_000, 0)
    header = types['std_msgs/msg/Header'](stamp, 'front')
    data = np.frombuffer(H264, np.uint8)
    fields = {
        FOXGLOVE: (stamp, 'front', data, 'h264'),
        FFMPEG: (header, 16, 16, 0, 1, False, 'libx264', data),
        COMPRESSED: (header, 'h264', data),
        IMAGE: (header, 16, 16, 'mono8', 0, 16, np.full(256, 90, np.uint8)),
    }[kind]
    return types[kind](*fields)


def write_bag(path: Path, topics: dict[str, str], storage: str = 'mcap') -> Path:
    """Write a message of each topic's kind."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for kind, definition in DEFINITIONS.items():
        store.register(get_types_from_msg(definition, kind))
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        for topic, kind in topics.items():
            to = writer.add_connection(topic, kind, typestore=store)
            data = store.serialize_cdr(message(store.types, kind), kind)
            writer.write(to, 1_700_000_000_000_000_000, data)
    return path


def test_the_video_is_one(tmp_path: Path) -> None:
    path = tmp_path / 'a.h264'
    path.write_bytes(H264)
    is_read, pixels = cv2.VideoCapture(str(path)).read()
    assert is_read
    assert pixels.shape == (16, 16, 3)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('kind', [FOXGLOVE, FFMPEG, COMPRESSED])
def test_a_camera_of_video_is_refused_with_the_remedy(
    tmp_path: Path, kind: str, storage: str
) -> None:
    path = write_bag(tmp_path / 'bag', {'/front/video': kind}, storage)
    with Bag(path) as bag, pytest.raises(UserError) as refusal:
        bag.camera_topics()
    assert f'it has /front/video ({kind}' in str(refusal.value)
    assert str(refusal.value).endswith('give a video file such as .mp4')


def test_a_video_that_is_asked_for_is_refused_with_the_remedy(tmp_path: Path) -> None:
    topics = {'/front/video': FOXGLOVE, '/rear/image': IMAGE}
    with Bag(write_bag(tmp_path / 'bag', topics)) as bag:
        assert bag.camera_topics() == ['/rear/image']
        with pytest.raises(UserError) as refusal:
            bag.camera_topics(('/front/video',))
    assert f'holds {FOXGLOVE} on /front/video, not images (video inside' in str(refusal.value)
    assert str(refusal.value).endswith('it has /rear/image')


@pytest.mark.parametrize('command', ['predict', 'view', 'mine', 'evaluate'])
@pytest.mark.parametrize('kind', [FOXGLOVE, COMPRESSED])
def test_a_camera_of_video_beside_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, command: str
) -> None:
    bag = write_bag(tmp_path / 'bag', {'/front/video': kind, '/rear/image': IMAGE})
    arguments = {
        'predict': ('predict', str(bag), '--output', str(tmp_path / 'out')),
        'view': ('view', str(bag), '--output', str(tmp_path / 'view.mcap')),
        'mine': ('mine', str(bag), '--budget', '1', '--output', str(tmp_path / 'out')),
        'evaluate': ('evaluate', 'bag', str(bag), '--model', 'depthforge_tiny'),
    }[command]
    engine = () if command == 'mine' else ('--engine', 'null')
    assert main([*arguments, *engine]) == 3
    said = [one for one in capsys.readouterr().err.splitlines() if '/front/video' in one]
    assert len(said) == 1
    assert f'bag: camera /front/video ({kind}' in said[0]
    assert 'is left out (video inside a bag is not decoded' in said[0]


def test_a_camera_that_is_chosen_is_the_whole_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / 'bag', {'/front/video': FFMPEG, '/rear/image': IMAGE})
    chosen = ('--topic', '/rear/image', '--engine', 'null')
    assert main(['predict', str(bag), *chosen, '--output', str(tmp_path / 'out')]) == 0
    assert main(['evaluate', 'bag', str(bag), *chosen, '--model', 'depthforge_tiny']) == 0
    assert '/front/video' not in capsys.readouterr().err


def test_a_camera_that_is_read_otherwise_lacks_nothing(tmp_path: Path) -> None:
    topics = {'/front/image': IMAGE, '/front/image/ffmpeg': FFMPEG, '/front/depth': COMPRESSED}
    with Bag(write_bag(tmp_path / 'bag', topics)) as bag:
        assert not bag.unread_cameras


def test_a_compression_that_is_not_read_is_named(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/front/image', 0, scene(0), 'rgb8')
        zstd = {'format': 'rgb8; zstd', 'data': np.frombuffer(b'(\xb5/\xfd12345', np.uint8)}
        bag._write('/front/image/zstd', COMPRESSED, 0, zstd)
        bag._write('/rear/image/zstd', COMPRESSED, 0, zstd)
    with Bag(tmp_path / 'bag') as read:
        assert list(read.unread_cameras) == ['/rear/image/zstd']
        assert read.unread_cameras['/rear/image/zstd'].endswith(
            'of rgb8; zstd) is left out (an image inside a bag must be raw, JPEG or PNG: '
            'record it so)'
        )


def test_masks_are_those_of_the_camera_that_is_judged(tmp_path: Path) -> None:
    """Two cameras of a node, of which one is video: the other's masks are all of class 3."""
    with recording(tmp_path / 'bag') as bag:
        for frame in range(3):
            bag.image('/car/front_left/image', frame, scene(frame), 'rgb8')
            write_truth(bag, frame, '/car/front_left')
            for camera, label in (('front_left', 3), ('rear', 0)):
                mask = np.full(scene(0).shape[:2], label, np.uint8)
                bag.image(f'/depthforge/{camera}/segmentation/mask', frame, mask, 'mono8')
    figures = judge(tmp_path, tmp_path / 'bag', *CAMVID_TRUTH)
    assert figures['pixel_accuracy'] == 100.0

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are cameras: the encoding of the first message decides."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.messages import STORE
from depthforge_ros.bags.pictures import is_picture
from depthforge_ros.errors import UserError
from depthforge_ros.frame import LAYOUTS
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from support.bags import COMPRESSED, IMAGE, recording, scene

DEEP = np.full((48, 64), 900, np.uint16)
FLOAT = np.zeros((48, 64), np.float32)


def test_what_no_camera_took_is_none(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/cam/image_raw', 0, scene(0), 'rgb8')
        bag.image('/oak/stereo/image_raw', 0, DEEP, '16UC1')
        bag.image('/k4a/depth_to_rgb/image_raw', 0, FLOAT, '32FC1')
        bag.image('/zed/confidence_map', 0, FLOAT, '32FC1')
        bag.image('/flow', 0, np.zeros((48, 64, 2), np.float32), '32FC2')
        bag.compressed('/oak/stereo/image_raw/compressed', 0, DEEP, '.png')
        zstd = {'format': 'rgb8; zstd', 'data': np.frombuffer(b'(\xb5/\xfd12345', np.uint8)}
        bag._write('/cam/image_raw/zstd', COMPRESSED, 0, zstd)
    with Bag(tmp_path / 'bag') as read:
        assert read.camera_topics() == ['/cam/image_raw']
        assert read.camera_name('/cam/image_raw') is None


@given(
    st.sampled_from(sorted(LAYOUTS)), st.sampled_from(['', 'jpeg', 'png', 'jpeg compressed bgr8'])
)
def test_pictures_of_every_encoding_are(encoding: str, form: str) -> None:
    assert is_picture(SimpleNamespace(encoding=encoding))
    data = cv2.imencode('.jpg', scene(0))[1].tobytes()
    both = f'{encoding}; {form}' if 'compressed' in form else form
    assert is_picture(SimpleNamespace(format=both, data=data))


@given(st.from_regex(r'\A(8[US]C[12]|(16|32|64)[USF]C[1-4])\Z'))
def test_measured_values_are_none(encoding: str) -> None:
    assert not is_picture(SimpleNamespace(encoding=encoding))
    png = cv2.imencode('.png', DEEP)[1].tobytes()
    assert not is_picture(SimpleNamespace(format=f'{encoding}; png compressed', data=png))


def test_topics_without_messages_are_none(tmp_path: Path) -> None:
    path = tmp_path / 'bag'
    with recording(tmp_path / 'one') as bag:
        bag.image('/front/image', 0, scene(0), 'rgb8')
    with (
        Bag(tmp_path / 'one') as read,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        for topic in ('/rear/image', '/n/segmentation/mask'):
            writer.add_connection(topic, IMAGE, typestore=STORE)
        to = writer.add_connection('/front/image', IMAGE, typestore=STORE)
        for one in read.raw_messages('/front/image'):
            writer.write(to, one.received_ns, one.raw)
    with Bag(path) as read:
        assert read.camera_topic() == '/front/image'
        assert read.topic_ending('/segmentation/mask') is None
        with pytest.raises(UserError, match='holds no message on /rear/image'):
            read.camera_topic('/rear/image')


def test_a_bag_without_images_names_topics_and_types(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.diagnostics(0, '', {})
    with Bag(tmp_path / 'bag') as read, pytest.raises(UserError) as refusal:
        read.camera_topic()
    assert '/diagnostics (diagnostic_msgs/msg/DiagnosticArray)' in str(refusal.value)


def test_images_that_are_no_pictures_are_named_with_their_encoding(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/raw', 0, DEEP, '16UC1')
        bag.compressed('/packed', 0, DEEP, '.png')
        bag.empty('/silent', IMAGE)
    with Bag(tmp_path / 'bag') as read, pytest.raises(UserError) as refusal:
        read.camera_topic()
    assert str(refusal.value).endswith(
        f'/packed ({COMPRESSED} of png), /raw ({IMAGE} of 16UC1), /silent ({IMAGE})'
    )

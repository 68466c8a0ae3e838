# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Images that are published as they lie in kept memory: the same messages, with one copy less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from depthforge_ros.ros.topics import serialized
from depthforge_ros.ros.topics.messages import image_message, ImageBuffers
from depthforge_ros.ros.topics.serialized import HEADROOM, publish, SerializedImage
from hypothesis import given, settings
import hypothesis.strategies as st
import numpy as np
import pytest
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header


def read(ready: Any) -> Any:
    assert isinstance(ready, SerializedImage)
    return deserialize_message(ready.octets.tobytes(), Image)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=5),
    frame_id=st.text(st.characters(codec='ascii', exclude_characters='\0'), max_size=20),
)
@settings(deadline=None, max_examples=50)
def test_planes_of_buffers_are_whole_messages_without_a_copy(
    sizes: list[tuple[int, int]], frame_id: str
) -> None:
    buffers = ImageBuffers()
    for number, size in enumerate(sizes):
        plane, other = buffers('depth', size, np.float32), buffers('labels', size, np.uint8)
        plane[:], other[:] = number + np.arange(size[1]), number
        header = Header(frame_id=frame_id)
        header.stamp.sec, header.stamp.nanosec = number, 7
        ready = image_message(header, encoding='32FC1', pixels=plane, buffers=buffers)
        assert np.shares_memory(ready.octets, plane)
        expected = image_message(header, encoding='32FC1', pixels=plane)
        assert read(ready) == expected
        mask = image_message(header, encoding='mono8', pixels=other, buffers=buffers)
        assert read(mask) == image_message(header, encoding='mono8', pixels=other)
        assert buffers('depth', size, np.float32) is plane
        copied = image_message(header, encoding='mono8', pixels=other.copy(), buffers=buffers)
        assert isinstance(copied, Image)


def test_a_frame_id_that_does_not_fit_is_copied() -> None:
    buffers = ImageBuffers()
    plane = buffers('labels', (2, 3), np.uint8)
    header = Header(frame_id='f' * HEADROOM)
    message = image_message(header, encoding='mono8', pixels=plane, buffers=buffers)
    assert isinstance(message, Image)
    assert message.header.frame_id == header.frame_id


@contextmanager
def publisher_in(peer: Any) -> Iterator[Any]:
    """Make a lifecycle publisher of images, which is not activated yet."""
    node = LifecycleNode('sender', context=peer.node.context)
    try:
        yield node.create_lifecycle_publisher(Image, '/sent', 1)
    finally:
        node.destroy_node()


@pytest.mark.parametrize('has_rcl', [True, False])
def test_what_is_published_arrives_once_it_is_activated(
    peer: Any, has_rcl: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_rcl:
        monkeypatch.setattr(serialized, '_rcl_publish', lambda: None)
    assert (serialized._rcl_publish() is not None) == has_rcl
    buffers = ImageBuffers()
    plane = buffers('labels', (4, 5), np.uint8)
    plane[:] = np.arange(20).reshape(4, 5)
    header = Header(frame_id='camera')
    ready = image_message(header, encoding='mono8', pixels=plane, buffers=buffers)
    with publisher_in(peer) as publisher:
        images: list[Any] = peer.subscribe(Image, '/sent')
        peer.spin_until(publisher.get_subscription_count)
        publish(publisher, ready)
        publisher.on_activate(None)
        header.frame_id = 'later'
        publish(publisher, image_message(header, encoding='mono8', pixels=plane, buffers=buffers))
        peer.spin_until(lambda: bool(images))
    assert [one.header.frame_id for one in images] == ['later']
    assert bytes(images[0].data) == plane.tobytes()

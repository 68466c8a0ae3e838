# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What goes out: only what is asked for, masks without loss, names of the ids, the policy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
import xml.etree.ElementTree as ET

from builtin_interfaces.msg import Time
import cv2
from depthforge_ros import postprocess
from depthforge_ros.labels import CAMVID
from depthforge_ros.ros.topics import label_info
from depthforge_ros.ros.topics.names import OUTPUTS
from depthforge_ros.ros.topics.outputs import BUILDERS
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import String
from support.networks import CLASSES, MANY, many_classes
from support.node import (
    calibrate,
    count,
    DEPTH,
    FaultyEngine,
    identity,
    make_image,
    MASK,
    node_in_process,
    OVERLAY,
)
from support.paths import ROOT

POINTS = '/depthforge/points'
POLICY = ROOT / 'config' / 'sros2_policy.xml'


def test_every_output_has_a_builder() -> None:
    assert set(BUILDERS) == set(OUTPUTS)


def test_a_frame_is_published_whole_or_not_at_all(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError('no depth')

    builders = {**BUILDERS, 'depth': (Image, fail)}
    monkeypatch.setattr('depthforge_ros.ros.camera.BUILDERS', builders)
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        peer.subscribe(Image, '/depthforge/depth/relative', seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(1))
        peer.spin_until(lambda: count(node).dropped == {'internal_error': 1})
        assert not masks


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the planes that are made at the camera's size, from now on."""
    names: list[str] = []
    resize = postprocess.Result._resize

    def counted(result: Any, name: str, *others: Any) -> Any:
        if not result.at_network:
            names.append(name)
        return resize(result, name, *others)

    monkeypatch.setattr(postprocess.Result, '_resize', counted)
    return names


def test_frames_are_computed_only_for_subscribers(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process(watched=False) as node:
        engine.batches.clear()  # of the warm-up
        publisher = peer.publisher(Image, '/image', seen_by=node)
        for number in (1, 2):
            publisher.publish(make_image(number))
            peer.spin_until(lambda number=number: count(node).received == number)
        assert count(node).dropped == {'no_subscribers': 2}
        assert engine.batches == []

        # Points need a scale, and none is known.
        points = peer.node.create_subscription(PointCloud2, POINTS, print, 10)
        peer.spin_until(lambda: any(one.get_subscription_count() for one in publishers(node)))
        publisher.publish(make_image(2))
        peer.spin_until(lambda: count(node).dropped == {'no_subscribers': 3})
        peer.node.destroy_subscription(points)
        peer.spin_until(lambda: not any(one.get_subscription_count() for one in publishers(node)))

        depth = peer.node.create_subscription(Image, DEPTH, print, 10)
        peer.spin_until(lambda: any(one.get_subscription_count() for one in publishers(node)))
        publisher.publish(make_image(3))
        peer.spin_until(lambda: count(node).published == 1)
        peer.node.destroy_subscription(depth)
        peer.spin_until(lambda: not any(one.get_subscription_count() for one in publishers(node)))
        publisher.publish(make_image(4))
        peer.spin_until(lambda: count(node).dropped == {'no_subscribers': 4})

        # Latency, domain shift and the metric scale are made of the frames.
        peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(node.has_diagnostics_subscriber)
        publisher.publish(make_image(5))
        peer.spin_until(lambda: count(node).published == 2)
        assert count(node).in_flight == 0
    assert engine.batches == [1, 1]


def publishers(node: Any) -> Any:
    return node._rig.cameras[0]._publishers.values()


def test_planes_are_made_only_for_subscribers(peer: Any, made: list[str]) -> None:
    with node_in_process() as node:
        made.clear()  # of the warm-up
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(1))
        peer.spin_until(lambda: count(node).published == 1)
        assert made == []
        peer.subscribe(Image, MASK, seen_by=node)
        peer.subscribe(CompressedImage, f'{MASK}/compressed', seen_by=node)
        publisher.publish(make_image(2))
        peer.spin_until(lambda: count(node).published == 2)
        assert made == ['labels']
        peer.subscribe(Image, '/depthforge/depth/relative', seen_by=node)
        publisher.publish(make_image(3))
        peer.spin_until(lambda: count(node).published == 3)
    assert made == ['labels', 'labels', 'inverse_depth']


def test_metres_are_made_only_for_subscribers(peer: Any, made: list[str]) -> None:
    with node_in_process(camera_height_m=1.5) as node:
        made.clear()  # of the warm-up
        calibrate(peer, node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(1))
        peer.spin_until(lambda: count(node).published == 1)
        assert node._rig.cameras[0].metric.status.figures['metric_scale'] > 0.0
        assert made == []
        peer.subscribe(Image, '/depthforge/depth/image', seen_by=node)
        publisher.publish(make_image(2))
        peer.spin_until(lambda: count(node).published == 2)
    assert sorted(made) == ['inverse_depth', 'labels']


def test_compressed_mask_is_the_mask(peer: Any) -> None:
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        files = peer.subscribe(CompressedImage, f'{MASK}/compressed', seen_by=node)
        peer.publisher(Image, '/image', seen_by=node).publish(make_image(1))
        peer.spin_until(lambda: masks and files)
    assert identity(files[0]) == identity(masks[0])
    assert 'png' in files[0].format
    decoded = cv2.imdecode(np.frombuffer(files[0].data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded, np.frombuffer(masks[0].data, np.uint8).reshape(48, 64))


def test_label_info_names_every_id(monkeypatch: pytest.MonkeyPatch) -> None:
    # vision_msgs is in no package index for plain Python: stand-ins with its fields.
    monkeypatch.setattr(label_info, 'message_class', lambda _: SimpleNamespace)
    stamp = Time(sec=7)
    message = label_info.label_info_message(CAMVID, threshold=0.3, stamp=stamp)
    assert (message.threshold, message.header.stamp) == (0.3, stamp)
    named = message.class_map
    assert [(one.class_id, one.class_name) for one in named] == list(enumerate(CAMVID.classes))


def late_label_info(peer: Any, kind: Any) -> Any:
    """Subscribe once the node is active, when the message has gone out already."""
    latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    came: list[Any] = []
    with node_in_process():
        topic = '/depthforge/segmentation/label_info'
        peer.node.create_subscription(kind, topic, came.append, latched)
        peer.spin_until(lambda: came)
    return came[0]


def test_label_info_reaches_who_comes_late(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A type that is here, for that of vision_msgs: the topic is the node's own, over DDS.
    monkeypatch.setattr(label_info, 'message_class', lambda _: String)
    monkeypatch.setattr(
        'depthforge_ros.ros.camera.label_info_message',
        lambda space, **_: String(data=' '.join(space.classes)),
    )
    assert late_label_info(peer, String).data == ' '.join(CAMVID.classes)


def test_label_info_of_vision_msgs_names_every_id(peer: Any) -> None:
    vision_msgs = pytest.importorskip(
        'vision_msgs.msg', reason='vision_msgs comes with a ROS installation, which is not sourced'
    )
    class_map = late_label_info(peer, vision_msgs.LabelInfo).class_map
    named = [(one.class_id, one.class_name) for one in class_map]
    assert named == list(enumerate(CAMVID.classes))


def test_missing_vision_msgs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_info, 'message_class', lambda _: None)
    said: list[str] = []
    log = SimpleNamespace(info=lambda text, *, once: once and said.append(text))
    node = SimpleNamespace(get_logger=lambda: log)
    assert label_info.create_label_info(node, camera='', on_mismatch=print) is None
    assert 'vision_msgs is not installed' in said[0]


def test_policy_grants_exactly_what_the_node_uses() -> None:
    with node_in_process(use_sim_time=True, camera_height_m=1.5) as node:
        name = node.get_name(), node.get_namespace()
        used = {
            'publish': node.get_publisher_names_and_types_by_node(*name),
            'subscribe': node.get_subscriber_names_and_types_by_node(*name),
            'reply': node.get_service_names_and_types_by_node(*name),
        }
    profile = ET.parse(POLICY).getroot().find('.//profile')
    assert profile is not None
    for granted in profile:
        (kind,) = granted.attrib
        names = {f'/{one.text}'.replace('/~', '/depthforge').replace('//', '/') for one in granted}
        # Published only where vision_msgs is installed.
        optional = {label_info.TOPIC.replace('~', '/depthforge')}
        assert names - optional == {topic for topic, _ in used[kind]} - optional


def test_the_node_publishes_two_bytes_a_pixel(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('depthforge_ros.ros.node.load_engine', lambda *_, **__: many_classes())
    with node_in_process(overlay_alpha=1.0) as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        files = peer.subscribe(CompressedImage, f'{MASK}/compressed', seen_by=node)
        overlays = peer.subscribe(Image, OVERLAY, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(1, height=48, width=600))
        peer.spin_until(lambda: masks and files and overlays)
    mask = masks[0]
    assert (mask.encoding, mask.step, mask.is_bigendian) == ('16UC1', 1200, 0)
    labels = np.frombuffer(mask.data, '<u2').reshape(48, 600)
    assert 256 <= labels.max() < CLASSES
    decoded = cv2.imdecode(np.frombuffer(files[0].data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert files[0].format == '16UC1; png compressed 16UC1'
    np.testing.assert_array_equal(decoded, labels)
    painted = np.frombuffer(overlays[0].data, np.uint8).reshape(48, 600, 3)
    np.testing.assert_array_equal(painted, MANY.palette[labels])

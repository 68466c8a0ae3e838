# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Topics over real DDS, recorded into bags."""

from __future__ import annotations

import argparse
from pathlib import Path
import subprocess
import sys
from typing import Any

from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.repair import repaired
from depthforge_ros.cli import record as record_command
from depthforge_ros.errors import UserError
from depthforge_ros.ros.tools.record import Recorder
from depthforge_ros.ros.tools.session import own_node
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from support.messages_in_bags import read_bag

DISK = 2**21
"""Bytes that a file may have; the shared memory of Fast DDS needs some."""


def test_record_hears_best_effort_and_latched_topics(peer: Any, tmp_path: Path) -> None:
    fleeting = peer.node.create_publisher(
        String, '/fleeting', QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    )
    latched_qos = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    peer.node.create_publisher(String, '/latched', latched_qos).publish(String(data='early'))
    with Recorder(tmp_path / 'bag', ['/fleeting', '/latched', '/silent']) as recorder:
        peer.spin_until(lambda: recorder.missing == ['/silent'])
        peer.spin_until(lambda: fleeting.get_subscription_count() == 1)
        fleeting.publish(String(data='late'))
        peer.spin_until(lambda: recorder.counts == {'/fleeting': 1, '/latched': 1, '/silent': 0})
    came = read_bag(recorder.output)
    assert [one.data for one in came['/fleeting']] == ['late']
    assert [one.data for one in came['/latched']] == ['early']
    with Reader(recorder.output) as reader:
        offered = {one.topic: one.ext.offered_qos_profiles[0] for one in reader.connections}
    assert offered['/latched'].durability.name == 'TRANSIENT_LOCAL'
    assert offered['/fleeting'].reliability.name == 'BEST_EFFORT'


def test_record_hears_a_publisher_that_comes_later_and_offers_less(
    peer: Any, tmp_path: Path
) -> None:
    best_effort = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    first = peer.node.create_publisher(String, '/text', 5)
    with Recorder(tmp_path / 'bag', ['/text']) as recorder:
        peer.spin_until(lambda: first.get_subscription_count() == 1)
        first.publish(String(data='first'))
        peer.spin_until(lambda: recorder.counts['/text'] == 1)
        second = peer.node.create_publisher(String, '/text', best_effort)
        peer.spin_until(lambda: first.get_subscription_count() == 1)
        peer.spin_until(lambda: second.get_subscription_count() == 1)
        second.publish(String(data='second'))
        peer.spin_until(lambda: recorder.counts['/text'] == 2)
    assert [one.data for one in read_bag(recorder.output)['/text']] == ['first', 'second']


def test_record_takes_the_type_from_the_publishers(peer: Any, tmp_path: Path) -> None:
    publisher = peer.node.create_publisher(Image, '/camera', 5)
    with own_node('mistaken') as other:
        other.create_subscription(CompressedImage, '/camera', print, 1)
        peer.spin_until(lambda: peer.node.count_subscribers('/camera') == 1)
        with Recorder(tmp_path / 'bag', ['/camera']) as recorder:
            peer.spin_until(lambda: publisher.get_subscription_count() == 1)
            publisher.publish(Image())
            peer.spin_until(lambda: recorder.counts['/camera'] == 1)


def test_what_was_recorded_survives_an_error(peer: Any, tmp_path: Path) -> None:
    publisher = peer.node.create_publisher(String, '/text', 10)

    def record_and_fail() -> None:
        with Recorder(tmp_path / 'bag', ['/text']) as recorder:
            peer.spin_until(lambda: publisher.get_subscription_count() == 1)
            publisher.publish(String(data='kept'))
            peer.spin_until(lambda: recorder.counts['/text'] == 1)
            raise RuntimeError('elsewhere')

    with pytest.raises(RuntimeError, match='elsewhere'):
        record_and_fail()
    assert [one.data for one in read_bag(tmp_path / 'bag')['/text']] == ['kept']


def test_a_full_disk_ends_a_recording_in_one_line(peer: Any, tmp_path: Path) -> None:
    limit = f'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({DISK}, {DISK})); '
    program = f'{limit}from depthforge_ros.cli.main import main; raise SystemExit(main())'
    bag = tmp_path / 'bag'
    command = [sys.executable, '-c', program, 'record', '--output', str(bag), '/large']
    publisher = peer.node.create_publisher(String, '/large', 10)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            publisher.publish(String(data='x' * (DISK // 8)))
            peer.spin_for(0.05)
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 2, errors
    assert errors.count('\n') == 1, errors
    assert f'{bag} cannot be written to any more (File too large)' in errors
    with repaired(bag) as (copy, damage), Bag(copy) as opened:
        assert damage
        assert set(opened.topics) == {'/large'}


def test_wrong_use_of_record_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / 'there').mkdir()
    with pytest.raises(UserError, match='exists'), Recorder(tmp_path / 'there', ['/text']):
        pass
    with pytest.raises(UserError, match='no topic'):
        Recorder(tmp_path / 'bag', [])
    with pytest.raises(UserError, match=r"'/a b' was given: .* give a name such as"):
        Recorder(tmp_path / 'bag', ['/a b'])
    with pytest.raises(UserError, match=r"'~x' was given; after ~ comes a /"):
        Recorder(tmp_path / 'bag', ['~x'])
    options = argparse.Namespace(topics=['nobody'], output=tmp_path / 'bag', duration_s=0.3)
    with pytest.raises(UserError, match='nothing came on /nobody'):
        record_command.run(options)
    assert not options.output.exists()
    for duration_s in (0.0, -1.0, float('nan')):
        options.duration_s = duration_s
        with pytest.raises(UserError, match='must be above 0'):
            record_command.run(options)


def test_a_recording_that_lacks_a_topic_is_incomplete(
    peer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latched_qos = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    peer.node.create_publisher(String, '/latched', latched_qos).publish(String(data='early'))
    options = argparse.Namespace(
        topics=['/latched', '/silent'], output=tmp_path / 'bag', duration_s=3.0
    )
    assert record_command.run(options) == 3
    assert capsys.readouterr().err == 'nothing came on /silent\n'
    assert read_bag(options.output)['/latched']

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Bags over real DDS: replayed, and recorded at once."""

from __future__ import annotations

import argparse
from pathlib import Path
import re
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from depthforge_ros.bags.bag import Bag
from depthforge_ros.cli import replay as replay_command
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.ros.tools.record import Recorder
from depthforge_ros.ros.tools.replay import paced, replay
from depthforge_ros.ros.topics.names import lossless_qos
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support.bags import cut, write_bag
from support.messages_in_bags import make_bag, PERIOD_NS, read_bag, TYPESTORE
from support.refusals import refused


def figures_of(reports: list[Any]) -> dict[str, str]:
    return {pair.key: pair.value for pair in reports[-1].status[0].values} if reports else {}


@pytest.mark.parametrize('storage', StoragePlugin)
def test_every_byte_survives_replay_and_record(tmp_path: Path, storage: StoragePlugin) -> None:
    topics = {'/image': 'sensor_msgs/msg/Image', '/text': 'std_msgs/msg/String'}
    bag = make_bag(tmp_path / 'bag', topics, storage=storage)
    with Recorder(tmp_path / 'again', list(topics)) as recorder:
        counts = replay(bag, wait_for=dict.fromkeys(topics, 1))
        assert recorder.wait_until(lambda one: one.counts == counts, 60.0)
        assert not recorder.missing
    assert counts == {'/image': 5, '/text': 5}
    before, after = read_bag(bag), read_bag(tmp_path / 'again')
    assert [one.data for one in after['/text']] == [one.data for one in before['/text']]
    for sent, came in zip(before['/image'], after['/image'], strict=True):
        assert came.header == sent.header
        np.testing.assert_array_equal(came.data, sent.data)


def test_pace_is_the_recorded_one_divided_by_the_rate(tmp_path: Path) -> None:
    bag = make_bag(tmp_path / 'bag', {'/text': 'std_msgs/msg/String'}, messages=11)
    for rate in (1.0, 4.0):
        with Bag(bag) as reader:
            begun_s = time.monotonic()
            assert len(list(paced(reader, ['/text'], rate))) == 11
        # Sleeping may take longer on a busy machine, but never shorter.
        assert time.monotonic() - begun_s >= 10 * PERIOD_NS / 1e9 / rate


def test_only_the_chosen_topics_are_published(peer: Any, tmp_path: Path) -> None:
    topics = {'/text': 'std_msgs/msg/String', '/other': 'std_msgs/msg/String'}
    bag = make_bag(tmp_path / 'bag', topics)
    came: list[Any] = []
    peer.node.create_subscription(String, '/text', came.append, 10)
    counts = replay(bag, topics=['/text'], wait_for={'/text': 1})
    peer.spin_until(lambda: len(came) == 5)
    assert counts == {'/text': 5}


def test_types_that_are_not_installed_are_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg('int32 value', 'nowhere_msgs/msg/Thing'))
    bag = make_bag(tmp_path / 'bag', {'/text': 'std_msgs/msg/String'}, messages=1)
    with Writer(tmp_path / 'odd', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        odd = writer.add_connection('/odd', 'nowhere_msgs/msg/Thing', typestore=store)
        text = writer.add_connection('/text', 'std_msgs/msg/String', typestore=TYPESTORE)
        writer.write(odd, 0, b'\x00\x01\x00\x00\x01\x00\x00\x00')
        with Reader(bag) as reader:
            writer.write(text, 0, next(reader.messages(reader.connections))[2])
    assert replay(tmp_path / 'odd') == {'/text': 1}
    assert 'nowhere_msgs/msg/Thing' in capsys.readouterr().err
    with pytest.raises(UserError, match='no topic that can be published'):
        replay(tmp_path / 'odd', topics=['/odd'])


def test_a_cut_bag_is_replayed_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = cut(write_bag(tmp_path / 'bag', frames=6), 0.5)
    code = main(['replay', str(bag), '--rate', '100'])
    told = capsys.readouterr()
    (count,) = re.findall(r'/camera/image: (\d+) messages', told.out)
    assert 0 < int(count) < 6
    assert code == 3
    assert 'bag is cut short or damaged; read as far as it goes' in told.err


def test_wrong_use_of_replay_is_refused_in_one_line(tmp_path: Path) -> None:
    bag = make_bag(tmp_path / 'bag', {'/text': 'std_msgs/msg/String'}, messages=1)
    (tmp_path / 'no_bag').mkdir()
    (tmp_path / 'rubbish.mcap').write_bytes(b'rubbish' * 100)
    (tmp_path / 'rubbish.db3').write_bytes(b'rubbish' * 100)
    for arguments, text in (
        ({'bag': tmp_path / 'missing'}, 'missing'),
        ({'bag': tmp_path / 'no_bag'}, 'metadata.yaml'),
        ({'bag': tmp_path / 'rubbish.mcap'}, 'rubbish.mcap'),
        ({'bag': tmp_path / 'rubbish.db3'}, 'rubbish.db3'),
        ({'bag': bag, 'rate': 0.0}, '0.001 or more'),
        ({'bag': bag, 'rate': 1e-300}, '0.001 or more'),
        ({'bag': bag, 'timeout_s': float('nan')}, 'timeout_s nan was given'),
        ({'bag': bag, 'topics': ['a b']}, "topic 'a b' was given"),
        ({'bag': bag, 'topics': ['/image']}, 'it has /text'),
        ({'bag': bag, 'wait_for': {'/image': 1}}, 'published are /text'),
        ({'bag': bag, 'wait_for': {'/text': 1}, 'timeout_s': 0.2}, '0 subscribers after 0.2 s'),
    ):
        with refused(text):
            replay(**arguments)


def test_latched_topics_are_latched_in_a_replay(peer: Any, tmp_path: Path) -> None:
    latched_qos = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    publisher = peer.node.create_publisher(String, '/latched', latched_qos)
    publisher.publish(String(data='early'))
    with Recorder(tmp_path / 'bag', ['/latched']) as recorder:
        peer.spin_until(lambda: recorder.counts['/latched'] == 1)
    peer.node.destroy_publisher(publisher)
    came: list[Any] = []
    # A subscription like this one matches latched publishers only.
    peer.node.create_subscription(String, '/latched', came.append, latched_qos)
    replay(recorder.output, wait_for={'latched': 1})
    peer.spin_until(lambda: [one.data for one in came] == ['early'])


def test_a_replay_tells_who_did_not_take_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr('rclpy.publisher.Publisher.wait_for_all_acked', lambda *_: False)
    bag = make_bag(tmp_path / 'bag', {'/text': 'std_msgs/msg/String'}, messages=1)
    assert replay(bag, rate=9.0) == {'/text': 1}
    assert 'not all subscribers of /text took all messages' in capsys.readouterr().err


def test_every_frame_of_a_replayed_drive_is_accounted_for(
    peer: Any, tmp_path: Path, start_node: Any
) -> None:
    bag = make_bag(tmp_path / 'bag', {'/image': 'sensor_msgs/msg/Image'}, messages=20)
    mask, depth = '/depthforge/segmentation/mask', '/depthforge/depth/relative'
    overrides = lossless_qos(image_topic='/image') | {
        'engine': 'null',
        'diagnostics_period_s': 0.2,
    }
    arguments = [text for key, value in overrides.items() for text in ('-p', f'{key}:={value}')]
    parser = argparse.ArgumentParser()
    replay_command.add_arguments(parser)
    options = parser.parse_args([str(bag), '--wait-for', '/image', '--timeout-s', '200'])

    sent = [message.header for message in read_bag(bag)['/image']]
    with (
        start_node(*arguments) as process,
        Recorder(tmp_path / 'answers', [mask, depth]) as recorder,
    ):
        reports, seen = (
            peer.subscribe(DiagnosticArray, '/diagnostics'),
            peer.subscribe(Image, mask),
        )
        assert recorder.wait_until(lambda one: not one.missing, 200.0)
        assert replay_command.run(options) == 0
        peer.spin_until(lambda: seen and seen[-1].header.stamp.sec == sent[-1].stamp.sec)
        reports.clear()
        peer.spin_until(lambda: len(reports) > 1 and figures_of(reports)['in_flight'] == '0')
        final = figures_of(reports)
        published = int(final['published'])
        assert recorder.wait_until(
            lambda one: one.counts == {mask: published, depth: published}, 60.0
        )
        assert process.end(signal.SIGTERM)[0] == 0
    # On a busy machine a newer frame may have replaced one, and the first may have come before
    # the node knew of the publisher; nothing else may have happened.
    received = int(final['received'])
    assert published + int(final.get('dropped.replaced', '0')) == received <= 20
    answers = read_bag(tmp_path / 'answers')
    answered = [message.header for message in answers[mask]]
    assert [message.header for message in answers[depth]] == answered
    assert answered == [header for header in sent[-received:] if header in answered]
    assert len(answered) == published > 0


def test_node_command_hands_ros_arguments_on() -> None:
    command = [sys.executable, '-m', 'depthforge_ros.cli.main', 'node', '--ros-args']
    done = subprocess.run(
        [*command, '-p', 'engine:=warp', '--log-level', 'fatal'],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'warp'" in done.stderr


def test_recorders_and_replays_may_run_side_by_side(tmp_path: Path) -> None:
    kind = 'std_msgs/msg/String'
    bags = [make_bag(tmp_path / name, {f'/{name}': kind}) for name in ('left', 'right')]
    with Recorder(tmp_path / 'both', ['/left', '/right']) as recorder:
        threads = [
            threading.Thread(target=replay, args=(bag,), kwargs={'wait_for': {f'/{bag.name}': 1}})
            for bag in bags
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert recorder.wait_until(lambda one: one.counts == {'/left': 5, '/right': 5}, 60.0)


def test_a_replay_waits_for_as_many_as_are_named(tmp_path: Path) -> None:
    bag = make_bag(tmp_path / 'bag', {'/text': 'std_msgs/msg/String'}, messages=1)
    parser = argparse.ArgumentParser()
    replay_command.add_arguments(parser)
    waiting = ['--wait-for', '/text', '/text', '--timeout-s', '3']
    with (
        Recorder(tmp_path / 'again', ['/text']),
        pytest.raises(UserError, match='/text has 1 subscribers after 3 s and 2 are awaited'),
    ):
        replay_command.run(parser.parse_args([str(bag), *waiting]))

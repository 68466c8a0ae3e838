# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Shared memory that is large enough for what the node publishes."""

from __future__ import annotations

from importlib import metadata
import os
from pathlib import Path
import resource
import signal
from types import SimpleNamespace
from typing import Any
import xml.etree.ElementTree as ET

from depthforge_ros.resources import share_directory
from depthforge_ros.ros.topics.transport import (
    enlarge_shared_memory,
    profiles_variable,
    PROFILES_VARIABLES,
    SEGMENT_MIB,
    TRANSPORTS_VARIABLE,
)
from diagnostic_msgs.msg import DiagnosticArray
import pytest
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from support.node import DEPTH, latest, make_image

BEST_EFFORT = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
FRAMES = 20


@pytest.mark.parametrize(
    'given',
    [
        {},
        {PROFILES_VARIABLES[0]: '/mine.xml'},
        {PROFILES_VARIABLES[1]: ''},
        {TRANSPORTS_VARIABLE: 'UDPv4'},
    ],
)
def test_what_the_user_chose_counts(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'environ', dict(given))
    enlarge_shared_memory()
    ours = str(share_directory() / 'config' / 'fastdds.xml')
    assert os.environ == (given or {profiles_variable(): ours})


@pytest.mark.parametrize(('rclpy', 'number'), [('7.1.5', 0), ('9.1.2', 1), ('10.0.9', 1)])
def test_only_the_variable_of_the_distribution_is_set(
    rclpy: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'environ', {})
    monkeypatch.setattr(metadata, 'version', {'rclpy': rclpy}.__getitem__)
    enlarge_shared_memory()
    assert list(os.environ) == [PROFILES_VARIABLES[number]]


def test_a_small_shared_memory_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for free_mib in (64, 127, 128):
        given: dict[str, str] = {}
        monkeypatch.setattr(os, 'environ', given)
        free = SimpleNamespace(f_bavail=free_mib, f_frsize=2**20)
        monkeypatch.setattr(os, 'statvfs', lambda _, free=free: free)
        enlarge_shared_memory()
        assert bool(given) == (free_mib == 128)
        said = f'/dev/shm has {free_mib} MiB free' in capsys.readouterr().err
        assert said == (free_mib < 128)


def test_a_limit_of_files_is_one_of_shared_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for limit in (2**20, 65 * 2**20 - 1, 65 * 2**20, resource.RLIM_INFINITY):
        given: dict[str, str] = {}
        monkeypatch.setattr(os, 'environ', given)
        monkeypatch.setattr(resource, 'getrlimit', lambda _, limit=limit: (limit, limit))
        enlarge_shared_memory()
        is_enough = limit in (65 * 2**20, resource.RLIM_INFINITY)
        assert bool(given) == is_enough
        assert ('ulimit -f unlimited' in capsys.readouterr().err) != is_enough


def test_a_profile_that_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = PROFILES_VARIABLES[0]
    for path, is_told in ((tmp_path, False), (tmp_path / 'missing.xml', True), ('', False)):
        monkeypatch.setattr(os, 'environ', {name: str(path)})
        enlarge_shared_memory()
        assert (f'{name} names {path}, which' in capsys.readouterr().err) == is_told


def test_shared_memory_holds_large_images() -> None:
    root = ET.parse(share_directory() / 'config' / 'fastdds.xml').getroot()
    namespace = {'dds': root.tag[1:].partition('}')[0]}
    segment = root.find('.//dds:segment_size', namespace)
    assert segment is not None
    assert 4 * 1920 * 1280 * 3 < int(segment.text or 0) == SEGMENT_MIB * 2**20


def test_large_depth_reaches_a_reader_that_asks_for_nothing_twice(
    peer: Any, start_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*PROFILES_VARIABLES, TRANSPORTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    with start_node('-p', 'engine:=null') as process:
        depths: list[Any] = []
        peer.node.create_subscription(Image, DEPTH, depths.append, BEST_EFFORT)
        peer.spin_until(lambda: peer.node.count_publishers(DEPTH))
        publisher = peer.publisher(Image, '/image')
        # The camera of this process has the default memory, 512 KiB; the depth would fill that.
        message = make_image(1, height=256, width=512)
        peer.spin_until(lambda: depths or publisher.publish(message) or peer.spin_for(0.2))
        for number in range(2, FRAMES):
            message.header.stamp.sec = number
            publisher.publish(message)
            peer.spin_until(
                lambda number=number: depths[-1].header.stamp.sec == number, timeout_s=5.0
            )
        assert process.end(signal.SIGTERM)[0] == 0


def test_images_that_get_lost_on_the_way_are_counted(
    peer: Any, start_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*PROFILES_VARIABLES, TRANSPORTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    with start_node('-p', 'engine:=null'):
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')
        # The camera of this process has the default memory, 512 KiB.
        publisher = peer.publisher(Image, '/image')
        message = make_image(1, height=600, width=800)

        def is_told() -> bool:
            publisher.publish(message)
            peer.spin_for(0.1)
            return bool(reports) and 'images on /image got' in reports[-1].status[0].message

        peer.spin_until(is_told, timeout_s=60.0)
        assert int(latest(reports)['lost']) > 0

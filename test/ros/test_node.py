# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node over real DDS, with an engine that costs nothing or breaks on purpose."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial
import re
import signal
from typing import Any

import cv2
from depthforge_ros.labels import CAMVID
from depthforge_ros.postprocess import overlay
from depthforge_ros.ros import executable, running
from depthforge_ros.ros.topics import outputs
from depthforge_ros.ros.topics.messages import image_message
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from support.node import (
    count,
    DEPTH,
    FaultyEngine,
    figures,
    identity,
    latest,
    make_image,
    MASK,
    node_in_process,
    OVERLAY,
    RELIABLE,
    settled,
)

NULL = ('-p', 'engine:=null')


def test_executable_answers_with_the_header_of_the_image(
    peer: Any, start_node: Callable[..., Any]
) -> None:
    reliable = [text for pair in RELIABLE.items() for text in ('-p', ':='.join(pair))]
    with start_node(*NULL, *reliable) as process:
        masks, depths = peer.subscribe(Image, MASK), peer.subscribe(Image, DEPTH)
        publisher = peer.publisher(Image, '/image')

        def is_answered() -> bool:
            publisher.publish(make_image(0))
            peer.spin_for(0.2)
            return bool(masks and depths)

        def answers(asked: Any) -> bool:
            return bool(asked == identity(masks[-1]) == identity(depths[-1]))

        peer.spin_until(is_answered)
        for number in range(1, 4):
            publisher.publish(make_image(number))
            peer.spin_until(partial(answers, identity(make_image(number))))
        assert process.end(signal.SIGINT)[0] == 0
    mask = np.frombuffer(masks[0].data, np.uint8).reshape(48, 64)
    assert (masks[0].encoding, masks[0].step) == ('mono8', 64)
    assert set(np.unique(mask)) == set(range(len(CAMVID)))
    depth = np.frombuffer(depths[0].data, np.float32).reshape(48, 64)
    assert (depths[0].encoding, depths[0].step) == ('32FC1', 256)
    assert np.all(np.diff(depth[:, 0]) >= 0.0)
    assert depth.max() == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (('-p', 'model:=nothing'), ("configure failed: model 'nothing'", 'depthforge_tiny')),
        (
            (*NULL, '-p', 'model:=nothing'),
            ("configure failed: model 'nothing'", 'depthforge_tiny'),
        ),
        (('-p', 'engine:=warp'), ("parameter engine: 'warp'", 'one of auto, eager')),
        (
            (*NULL, '-p', 'qos_overrides./image.subscription.reliability:=often'),
            ('activate failed: ', 'image', 'often', 'best_effort'),
        ),
        ((*NULL, '-p', 'short_side:=-5'), ('short_side', '-5', 'from 0 to 8192')),
        ((*NULL, '-p', 'overlay_alpha:=1'), ('overlay_alpha', '1', '0.0 to 1.0')),
        ((*NULL, '-p', 'autostart:=maybe'), ('autostart', 'maybe', 'true or false')),
        (('--params-file', 'missing.yaml'), ('missing.yaml',)),
        (('-z', 'all'), ('unknown ROS arguments', '-z', 'all')),
        (('--', '--bad'), ('--bad was given', 'what follows --ros-args')),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert running.run(['--ros-args', *arguments]) == 2
    errors = capfd.readouterr().err.strip().splitlines()
    (line,) = (line for line in errors if not re.match(r'\[INFO\]|.*\[rcl\]', line))
    assert line.startswith('depthforge node: error: ')
    assert all(text in line for text in expected), line


@pytest.mark.parametrize('arguments', [['--help'], ['--ros-args', '-p', 'a:=b', '--', '-h']])
def test_help_is_printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        executable.main(arguments)
    assert not end.value.code
    said = capsys.readouterr().out
    assert said.startswith('usage: depthforge_node')
    assert max(map(len, said.splitlines())) < 100


def test_without_a_home_the_remedy_is_said(start_node: Any) -> None:
    program = (
        'import os\n'
        "[os.environ.pop(name, None) for name in ('HOME', 'ROS_HOME', 'ROS_LOG_DIR')]\n"
        'from depthforge_ros.ros import executable; executable.main()'
    )
    with start_node(program=('-c', program)) as process:
        code, errors = process.end()
    assert code == 2
    assert errors.splitlines()[-1].endswith('; set HOME or ROS_LOG_DIR')


def test_a_node_that_ended_is_gone_from_the_graph(peer: Any, start_node: Any) -> None:
    with start_node('-p', 'engine:=null') as process:
        peer.spin_until(lambda: 'depthforge' in peer.node.get_node_names())
        peer.publisher(Image, '/image')
        code, errors = process.end(signal.SIGTERM)
        # A participant that was left behind would stay for the 20 s of its lease.
        peer.spin_until(lambda: 'depthforge' not in peer.node.get_node_names(), timeout_s=5.0)
    assert code == 0, errors


def test_frames_of_all_kinds_are_counted_exactly(peer: Any, engine: FaultyEngine) -> None:
    del engine
    with node_in_process(max_pixels=10_000) as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        empty, short, odd = make_image(1), make_image(2), make_image(3)
        empty.height = empty.width = 0
        short.data = short.data[:-1]
        odd.encoding = 'rgb9'
        bad = [empty, short, odd, make_image(4, height=101, width=100), make_image(13)]
        for number, message in enumerate(bad, start=1):
            publisher.publish(message)
            peer.spin_until(lambda: sum(count(node).dropped.values()) == number)  # noqa: B023
            publisher.publish(make_image(100 + number))
            peer.spin_until(lambda: len(masks) == number)  # noqa: B023
        final = settled(peer, node)
    assert [mask.header.stamp.sec for mask in masks] == [1101, 1102, 1103, 1104, 1105]
    assert final.dropped == {
        'empty_image': 1,
        'bad_length': 1,
        'unknown_encoding': 1,
        'too_large': 1,
        'internal_error': 1,
    }
    assert (final.received, final.published, final.in_flight) == (10, 5, 0)
    assert final.last_error == 'RuntimeError: the engine broke'
    assert 0.0 <= final.last_error_age_s < 60.0


def test_a_burst_is_answered_newest_first_and_counted(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process(**{'qos_overrides./image.subscription.depth': 10}) as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(14))
        peer.spin_until(lambda: node._rig.busy_s > 0.0)
        for number in range(20, 25):
            publisher.publish(make_image(number))
            peer.spin_until(lambda: count(node).received == number - 18)  # noqa: B023
        assert count(node).in_flight == 2
        engine.released.set()
        peer.spin_until(lambda: len(masks) == 2)
        final = settled(peer, node)
    assert [mask.header.stamp.sec for mask in masks] == [1014, 1024]
    assert (final.received, final.published, final.in_flight) == (6, 2, 0)
    assert final.dropped == {'replaced': 4}


def test_diagnostics_report_a_hanging_engine(peer: Any, engine: FaultyEngine) -> None:
    with node_in_process(stall_after_s=0.3) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(1))
        peer.spin_until(lambda: latest(reports).get('published') == '1')
        status = reports[-1].status[0]
        assert status.level == DiagnosticStatus.OK, status.message
        assert figures(status)['model'] == 'depthforge_tiny'
        assert float(figures(status)['latency_ms_p50']) > 0.0
        publisher.publish(make_image(14))
        peer.spin_until(lambda: reports[-1].status[0].level == DiagnosticStatus.ERROR)
        assert 'stalled' in reports[-1].status[0].message
        assert latest(reports)['in_flight'] == '1'
        engine.released.set()
        peer.spin_until(lambda: latest(reports)['published'] == '2')
        assert reports[-1].status[0].level != DiagnosticStatus.ERROR


def test_diagnostics_report_a_silent_camera(peer: Any) -> None:
    # Nobody publishes /clock either: simulated time stands still, the report must not.
    with node_in_process(stall_after_s=0.2, use_sim_time=True) as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        peer.spin_until(lambda: reports and 'no image' in reports[-1].status[0].message)
        assert reports[-1].status[0].level == DiagnosticStatus.WARN
        message = reports[-1].status[0].message
        assert 'no image on /image' in message
        assert 'no /clock has come' in message


def test_the_white_level_of_a_camera_of_12_bits_counts(peer: Any) -> None:
    with node_in_process(white_level=4095, overlay_alpha=0.0) as node:
        overlays = peer.subscribe(Image, OVERLAY, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        grey = np.full((48, 64), 2048, np.uint16)
        publisher.publish(image_message(make_image(1).header, encoding='mono16', pixels=grey))
        peer.spin_until(lambda: overlays)
    assert set(overlays[0].data) == {128}


def test_overlay_is_painted_only_for_subscribers(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[Any] = []

    def paint(*arguments: Any) -> Any:
        painted.append(arguments)
        return overlay(*arguments)

    monkeypatch.setattr(outputs, 'overlay', paint)
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        publisher.publish(make_image(100))
        peer.spin_until(lambda: len(masks) == 1)
        assert not painted
        overlays = peer.subscribe(Image, OVERLAY, seen_by=node)
        confidences = peer.subscribe(Image, '/depthforge/segmentation/confidence', seen_by=node)
        entropies = peer.subscribe(Image, '/depthforge/segmentation/entropy', seen_by=node)
        publisher.publish(make_image(200))
        peer.spin_until(lambda: overlays and confidences and entropies)
    assert len(painted) == 1
    assert identity(overlays[0]) == identity(make_image(200))
    mask = np.frombuffer(masks[1].data, np.uint8).reshape(48, 64)
    rgb = np.frombuffer(overlays[0].data, np.uint8).reshape(48, 64, 3)
    expected = 0.5 * 200 + 0.5 * CAMVID.palette[mask]
    assert np.abs(rgb - expected).max() <= 0.5
    assert (confidences[0].encoding, entropies[0].encoding) == ('mono8', '32FC1')
    assert min(confidences[0].data) < 5
    assert max(confidences[0].data) > 250
    assert 0.95 < np.frombuffer(entropies[0].data, np.float32).max() <= 1.0


def test_compressed_images_are_answered(peer: Any) -> None:
    with node_in_process(image_transport='compressed') as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(CompressedImage, '/image', seen_by=node)
        message = CompressedImage(header=make_image(7).header, format='jpeg')
        message.data = b'no picture'
        publisher.publish(message)
        peer.spin_until(lambda: count(node).dropped == {'bad_compressed': 1})
        message.data = cv2.imencode('.jpg', np.zeros((30, 40, 3), np.uint8))[1].tobytes()
        publisher.publish(message)
        peer.spin_until(lambda: masks)
    assert identity(masks[0]) == identity(make_image(7))
    assert (masks[0].height, masks[0].width) == (30, 40)


@pytest.mark.parametrize('resolution', ['camera', 'network'])
def test_the_overlay_of_a_jpeg_shows_all_of_it(peer: Any, resolution: str) -> None:
    rows = np.repeat(np.arange(0, 240, dtype=np.uint8), 8)
    rgb = np.repeat(np.repeat(rows[:, None], 2400, 1)[..., None], 3, 2)
    parameters = {'image_transport': 'compressed', 'short_side': 112, 'overlay_alpha': 0.0}
    with node_in_process(**parameters, output_resolution=resolution) as node:
        overlays = peer.subscribe(Image, OVERLAY, seen_by=node)
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(CompressedImage, '/image', seen_by=node)
        message = CompressedImage(header=make_image(7).header, format='jpeg')
        message.data = array('B', cv2.imencode('.jpg', rgb)[1].tobytes())
        publisher.publish(message)
        peer.spin_until(lambda: overlays and masks)
    size = {'camera': (1920, 2400), 'network': (112, 144)}[resolution]
    assert (overlays[0].height, overlays[0].width) == size == (masks[0].height, masks[0].width)
    shown = np.frombuffer(overlays[0].data, np.uint8).reshape(*size, 3)
    expected = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - expected).max() <= 4

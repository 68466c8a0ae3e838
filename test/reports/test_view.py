# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What `view` writes, read back by Foxglove's own reader of MCAP."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import cv2
from depthforge_ros.bags.make_bag import START_NS
from depthforge_ros.cli.main import main
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
import numpy as np
import pytest
from support.bags import bag_path, COMPRESSED, INFO, recording, scene
from support.drives import (
    add_answers,
    HEIGHT,
    make_bag_arguments,
    WIDTH,
    write_drive,
    write_video,
)
from support.paths import ROOT
from support.refusals import ErrorOf

PERIOD_NS = 100_000_000
ROAD, SKY = 3, 0
IMAGES = (
    '/camera/image/compressed',
    '/depthforge/segmentation/mask',
    '/depthforge/segmentation/overlay/compressed',
    '/depthforge/depth/relative',
)


DRIVE = ROOT / 'drive'


def read(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return (log time, message) of each topic."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with path.open('rb') as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, recorded, message in reader.iter_decoded_messages():
            found.setdefault(channel.topic, []).append((recorded.log_time, message))
    return found


def stamps(messages: list[tuple[int, Any]]) -> list[int]:
    for log_ns, message in messages:
        stamp = message.header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == log_ns
    return [log_ns for log_ns, _ in messages]


def test_a_folder_is_on_one_time_line(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive', 3)
    output = tmp_path / 'view.mcap'
    assert main(['view', str(drive / 'images'), '--engine', 'null', '--output', str(output)]) == 0
    topics = read(output)
    assert set(topics) == set(IMAGES)
    for name in IMAGES:
        assert stamps(topics[name]) == [START_NS + n * PERIOD_NS for n in range(3)]
    _, image = topics[IMAGES[0]][1]
    shown = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(('more', 'rate_hz'), [((), 30.0), (('--rate-hz', '5'), 5.0)])
def test_a_video_keeps_its_own_rate(tmp_path: Path, more: tuple[str, ...], rate_hz: float) -> None:
    video, output = write_video(tmp_path / 'a.avi', rate_hz=30.0), tmp_path / 'view.mcap'
    assert main(['view', str(video), '--engine', 'null', '--output', str(output), *more]) == 0
    expected = [START_NS + round(n * 1e9 / rate_hz) for n in range(3)]
    assert stamps(read(output)[IMAGES[0]]) == expected


def view_with_info(
    folder: Path, storage: str, fields: dict[str, Any] | None, *more: str
) -> tuple[int, list[Any]]:
    """View a bag with such a camera_info, None for a topic without a message; its CameraInfos."""
    with recording(folder / 'bag', storage) as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        if fields is None:
            bag.empty('/camera/camera_info', INFO)
        else:
            bag.camera_info('/camera/camera_info', 0, **fields)
    output = folder / 'view.mcap'
    path = bag_path(folder / 'bag', storage)
    code = main(['view', str(path), '--engine', 'null', '--output', str(output), *more])
    return code, read(output).get('/camera/camera_info', []) if output.exists() else []


@pytest.mark.parametrize(
    ('storage', 'fields', 'focal_length'),
    [
        ('mcap', {}, 50.0),
        ('rosbag1', {}, 50.0),
        ('mcap', {'d': [0.1, 0, 0, 0, 0, 0, 0, 0]}, 50.0),
        ('mcap', {'distortion_model': 'none', 'd': []}, 50.0),
        ('mcap', {'width': 2 * WIDTH, 'height': 2 * HEIGHT, 'binning_x': 2, 'binning_y': 2}, 25.0),
        ('mcap', None, None),
    ],
)
def test_a_calibration_is_read_as_the_node_reads_it(
    tmp_path: Path, storage: str, fields: dict[str, Any] | None, focal_length: float | None
) -> None:
    code, infos = view_with_info(tmp_path, storage, fields, '--camera-height-m', '1.5')
    assert code == 0
    assert [info.k[0] for _, info in infos] == ([focal_length] if focal_length else [])


def test_frames_that_do_not_fit_their_calibration_have_no_points(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording(tmp_path / 'bag') as bag:
        cut_short = {'format': 'jpeg', 'data': np.frombuffer(b'\xff\xd8\xff\xe0cut', np.uint8)}
        bag._write('/camera/image/compressed', COMPRESSED, 0, cut_short)
        for frame, size in ((1, (64, 48)), (2, (32, 24))):
            pixels = cv2.resize(scene(frame), size)
            bag.compressed('/camera/image/compressed', frame, pixels, '.jpg')
        bag.camera_info('/camera/camera_info', 1)
    output = tmp_path / 'view.mcap'
    assert main(['view', str(tmp_path / 'bag'), '--engine', 'null', '--output', str(output),
                 '--camera-height-m', '1.5']) == 3  # fmt: skip
    assert len(read(output)['/depthforge/segmentation/mask']) == 2
    said = capsys.readouterr().err
    assert 'points for 0 of 2 frames' in said
    assert '1 frames could not be read' in said


def test_a_bad_calibration_matters_only_to_points(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, code in (((), 0), (('--camera-height-m', '1.5'), 2)):
        folder = tmp_path / str(code)
        folder.mkdir()
        assert view_with_info(folder, 'mcap', {'k': [0.0] * 9}, *more)[0] == code
    assert 'focal lengths are 0.0 and 0.0' in capsys.readouterr().err.splitlines()[-1]


def test_recorded_masks_are_shown_as_they_are(tmp_path: Path) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 4), tmp_path / 'in'))
    add_answers(tmp_path / 'in', tmp_path / 'out', drop=2)
    output = tmp_path / 'view.mcap'
    arguments = ['view', str(tmp_path / 'out'), '--output', str(output)]
    assert main(arguments) == 2
    assert main([*arguments, '--mask-labels', 'camvid']) == 0
    topics = read(output)
    assert len(topics[IMAGES[0]]) == 4
    assert len(topics[IMAGES[1]]) == 3
    _, mask = topics['/depthforge/segmentation/mask'][0]
    assert (mask.encoding, mask.height, mask.width) == ('mono8', HEIGHT, WIDTH)
    assert set(mask.data) == {ROAD}


def test_frames_whose_road_gives_no_scale_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The null engine sees no road.
    options = ['--engine', 'null', '--short-side', '32', '--camera-height-m', '1.5']
    options += [
        '--camera-info',
        str(DRIVE / 'camera.yaml'),
        '--output',
        str(tmp_path / 'view.mcap'),
    ]
    folder = tmp_path / 'images'
    folder.mkdir()
    shutil.copy(DRIVE / 'images' / '000000.jpg', folder)
    assert main(['view', str(folder), *options]) == 0
    assert 'points for 0 of 1 frames' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--output', 'view.bag'], 'ends in .mcap'),
        (['--output', 'view.mcap', '--rate-hz', '0'], 'above 0'),
        (['--output', 'view.mcap', '--rate-hz', 'inf'], 'above 0'),
        (['--output', 'view.mcap', '--camera-height-m', '-1'], 'above 0'),
    ],
)
def test_wrong_choices_are_one_line(
    tmp_path: Path, error_of: ErrorOf, arguments: list[str], expected: str
) -> None:
    drive = write_drive(tmp_path / 'drive', 1)
    assert expected in error_of('view', drive / 'images', '--engine', 'null', *arguments)


def test_what_is_terminated_leaves_nothing(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive', 1)
    first = drive / 'images' / '000.png'
    for number in range(1, 20_000):
        os.link(first, first.with_name(f'{number:05d}.png'))
    output = tmp_path / 'out' / 'view.mcap'
    process = subprocess.Popen(
        [sys.executable, '-m', 'depthforge_ros.cli.main', 'view', str(drive / 'images'),
         '--engine', 'null', '--output', str(output)],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ends_s = time.monotonic() + 120.0
        while not list(output.parent.glob('*/view')):
            assert process.poll() is None
            assert time.monotonic() < ends_s
            time.sleep(0.02)
        process.terminate()
        assert process.wait(120.0) == 128 + signal.SIGTERM
    finally:
        process.kill()
    assert list(output.parent.iterdir()) == []

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.camera_file import read_drive_file
from depthforge_ros.cli.demo import Drive, run_drive
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID
from depthforge_ros.reports.drive import write_contact_sheet, write_report
import pytest
from support import bags
from support.drives import write_drive

pytest.importorskip('rclpy', reason='the demo needs ROS or its wheels')
# Two processes over DDS, twice: on a busy machine mostly their start.
pytestmark = pytest.mark.timeout(900)


def drive_in(folder: Path) -> Drive:
    write_drive(folder, 12)
    return Drive(
        name='street',
        title='Street',
        images=folder / 'images',
        file=read_drive_file(folder / 'camera.yaml'),
        rate_hz=8.0,
        labels=folder / 'labels',
        depth=folder / 'depth',
    )


def test_a_drive_goes_through_the_node_again_and_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drive, output = drive_in(tmp_path / 'street'), tmp_path / 'demo'
    # Of an earlier demo.
    for name in ('input_bag', 'output_bag'):
        bags.write_bag(output / 'street' / name, frames=1)
    # A machine that answers too few frames gets more time.
    monkeypatch.setattr('depthforge_ros.cli.demo.MOMENTS', 13)
    monkeypatch.setattr('depthforge_ros.cli.demo.PACES', (2.0, 0.5))
    monkeypatch.setattr('depthforge_ros.cli.demo.QUIET_S', 2.0)
    section = run_drive(drive, output, model='depthforge_tiny', engine='null', space=CAMVID)
    figures = section.figures
    assert figures['pace'] == 0.5
    assert 'at 2 times real time only' in capsys.readouterr().out
    assert figures['sent'] == 12
    assert figures['received'] + figures['not_delivered'] == 12
    assert figures['received'] == figures['published'] + figures['dropped']
    assert 0 < figures['recorded'] <= figures['published']
    assert 0.0 < figures['node_latency_ms_p50'] <= figures['node_latency_ms_p99']
    assert figures['miou'] is not None
    assert figures['absrel'] is not None
    with Bag(output / 'street' / 'output_bag') as bag:
        assert '/depthforge/segmentation/mask' in bag.image_topics
    write_contact_sheet(output / 'contact_sheet.png', [section])
    write_report(output / 'report.html', [section])
    assert cv2.imread(str(output / 'contact_sheet.png')).shape[1] > 1000
    assert 'Street' in (output / 'report.html').read_text(encoding='utf-8')


def test_a_node_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    drive = drive_in(tmp_path / 'street')
    with pytest.raises(UserError, match=r'the node did not start: .*nothing_like_it'):
        run_drive(drive, tmp_path / 'demo', model='nothing_like_it', engine='eager', space=CAMVID)


def test_files_of_others_are_kept(tmp_path: Path) -> None:
    drive = drive_in(tmp_path / 'street')
    (tmp_path / 'demo' / 'street' / 'output_bag').mkdir(parents=True)
    notes = tmp_path / 'demo' / 'street' / 'output_bag' / 'notes.txt'
    notes.write_text('mine')
    with pytest.raises(UserError, match=r'notes\.txt'):
        run_drive(drive, tmp_path / 'demo', model='depthforge_tiny', engine='null', space=CAMVID)
    assert notes.read_text() == 'mine'

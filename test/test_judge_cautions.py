# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What `evaluate bag` says of bags whose figures would mislead."""

from __future__ import annotations

from pathlib import Path

from bags import HEIGHT, PERIOD_NS, recording, scene, WIDTH, write_truth
from depthforge_ros.evaluation.make_bag import START_NS
from judging import judge, NULL, refusal, without_latency
import numpy as np
import pytest

MASKS = ('--mask-labels', 'camvid', '--truth-labels', 'camvid')
ROAD, OTHER = 3, 5


def write_split_drive(path: Path, stamps: dict[int, int], truth_later_ms: float = 0.0) -> Path:
    """Write four frames with masks: all road is right up to frame 1 and wrong from then on."""
    with recording(path) as bag:
        bag.stamps = stamps
        for frame in range(4):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            truth = np.full((HEIGHT, WIDTH), ROAD if frame < 2 else OTHER, np.uint8)
            bag.image('/camera/labels', frame, truth, 'mono8', later_ms=truth_later_ms)
            bag.image('/n/segmentation/mask', frame, np.full_like(truth, ROAD), 'mono8')
    return path


def test_images_that_repeat_a_stamp_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_split_drive(tmp_path / 'bag', {3: START_NS + 2 * PERIOD_NS})
    report = tmp_path / 'report.html'
    figures = judge(tmp_path, bag, *MASKS, '--report', str(report))
    assert figures['dropped_by_reason'] == {'repeated_stamp': 1}
    assert (figures['received'], figures['published']) == (4, 3)
    assert figures['pixel_accuracy'] == pytest.approx(200.0 / 3.0, abs=0.01)
    (warning,) = figures['warnings']
    assert warning.startswith('1 images of /camera/image repeat the stamp of an earlier one')
    assert f'depthforge: warning: {warning}\n' in capsys.readouterr().err
    assert warning in report.read_text(encoding='utf-8')


def test_what_the_node_said_of_its_drops_leaves_the_judges_own(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.stamps = {1: START_NS}
        for frame in range(3):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            if frame != 2:
                mask = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
                bag.image('/n/segmentation/mask', frame, mask, 'mono8', later_ms=10.0)
        bag.diagnostics(2, '/camera/image', {'dropped.replaced': '1', 'model': 'mine'})
    figures = judge(tmp_path, tmp_path / 'bag', *MASKS)
    assert figures['dropped_by_reason'] == {'replaced': 1, 'repeated_stamp': 1}


def test_times_of_recording_stand_in_for_stamps_of_0(tmp_path: Path) -> None:
    unstamped = dict.fromkeys(range(4), 0)
    figures = judge(tmp_path, write_split_drive(tmp_path / 'bag', unstamped), *MASKS)
    stamped = judge(tmp_path, write_split_drive(tmp_path / 'stamped', {}), *MASKS)
    (warning,) = figures.pop('warnings')
    assert warning.startswith('the header stamps of /camera/image are 0')
    assert stamped.pop('warnings') == []
    assert without_latency(figures) == without_latency(stamped)
    assert figures['pixel_accuracy'] == 50.0


def test_truth_without_stamps_of_other_times_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_split_drive(tmp_path / 'bag', dict.fromkeys(range(4), 0), truth_later_ms=3.0)
    line = refusal(capsys, bag, *MASKS)
    assert 'where all stamps are 0, by the times of recording' in line


def test_a_drive_may_begin_at_stamp_0(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.stamps = {frame: frame * PERIOD_NS for frame in range(3)}
        for frame in range(3):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            write_truth(bag, frame)
    figures = judge(tmp_path, tmp_path / 'bag', *NULL)
    assert figures['warnings'] == []
    assert figures['miou'] is not None
    assert figures['clips'][0]['start_ns'] == 0

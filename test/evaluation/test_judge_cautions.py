# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What `evaluate bag` says of bags whose figures would mislead."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.bags.make_bag import START_NS
from depthforge_ros.cli.main import main
import numpy as np
import pytest
from support.bags import HEIGHT, PERIOD_NS, recording, scene, WIDTH, write_truth
from support.drives import make_bag_arguments, write_drive
from support.judging import judge, NULL, without_latency, write_truth_folder
from support.refusals import ErrorOf

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


@pytest.mark.parametrize('wild', [0, 3, 6, 7])
@pytest.mark.parametrize('topics', ['image', 'mask', 'all'])
@pytest.mark.parametrize('stamp_ns', [0, 2**31 * 10**9 - 1])
def test_one_wild_stamp_costs_one_frame(
    tmp_path: Path, wild: int, topics: str, stamp_ns: int
) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(8):
            for topic in ('/camera/image', '/camera/labels', '/n/segmentation/mask'):
                is_wild = frame == wild and (topics == 'all' or topic.endswith(topics))
                bag.stamps = {frame: stamp_ns} if is_wild else {}
                if topic == '/camera/image':
                    bag.image(topic, frame, scene(frame), 'rgb8')
                else:
                    bag.image(topic, frame, np.full((HEIGHT, WIDTH), ROAD, np.uint8), 'mono8')
    figures = judge(tmp_path, tmp_path / 'bag', *MASKS)
    assert figures['received'] == 8
    # A whole frame at the edge of a bag may as well have been first, or last.
    assert figures['published'] >= 7
    assert figures['pixel_accuracy'] == 100.0
    is_ahead = topics != 'mask' and stamp_ns > 0 and wild < 7
    assert ('stamp_ahead' in figures['dropped_by_reason']) == is_ahead
    assert len(figures['warnings']) == is_ahead


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


def test_truth_without_stamps_of_other_times_is_refused(tmp_path: Path, error_of: ErrorOf) -> None:
    bag = write_split_drive(tmp_path / 'bag', dict.fromkeys(range(4), 0), truth_later_ms=3.0)
    line = error_of('evaluate', 'bag', bag, *MASKS)
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


def write_labels(path: Path, labels: list[np.ndarray]) -> Path:
    """Write frames with these labels."""
    with recording(path) as bag:
        for frame, ids in enumerate(labels):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            bag.image('/camera/labels', frame, ids, 'mono8')
    return path


def all_of(label: int, width: int = WIDTH) -> np.ndarray:
    return np.full((HEIGHT, width), label, np.uint8)


def test_ids_of_no_class_are_counted(tmp_path: Path, error_of: ErrorOf) -> None:
    few = all_of(ROAD)
    few[:2] = 77
    # 11 is CamVid's own id for no class.
    few[2:4] = 11
    figures = judge(tmp_path, write_labels(tmp_path / 'few', [few, all_of(ROAD)]), *NULL)
    pixels = 2 * HEIGHT * WIDTH - 2 * WIDTH
    (warning,) = figures['warnings']
    assert warning.startswith(
        f'{2 * WIDTH} of {pixels} labelled pixels of /camera/image have ids (77) that camvid'
    )
    most = write_labels(tmp_path / 'most', [all_of(77), all_of(ROAD), all_of(78)])
    line = error_of('evaluate', 'bag', most, *NULL)
    assert str(most) in line
    assert 'ids (77, 78) that camvid does not have: 0 to 10' in line


@pytest.mark.parametrize(('road', 'warnings'), [(7, 1), (0, 0)])
def test_label_ids_that_pass_as_train_ids_are_told(
    tmp_path: Path, road: int, warnings: int
) -> None:
    bag = write_labels(tmp_path / 'bag', [all_of(road)])
    options = ('--truth-labels', 'cityscapes', '--label-space', 'camvid', '--engine', 'null')
    told = judge(tmp_path, bag, *options)['warnings']
    assert len(told) == warnings
    assert all('/camera/image: the labels (ids 7) look like' in one for one in told)


def test_frames_whose_truth_is_of_another_size_are_left_out(tmp_path: Path) -> None:
    bag = write_labels(tmp_path / 'bag', [all_of(ROAD), all_of(ROAD, WIDTH + 2), all_of(ROAD)])
    figures = judge(tmp_path, bag, *NULL)
    assert figures['dropped_by_reason'] == {'truth_size': 1}
    assert (figures['received'], figures['published']) == (3, 2)
    assert figures['cameras']['/camera/image']['time_line']['latency_ms'][1] is None
    (warning,) = figures['warnings']
    assert warning == (
        '1 frames of /camera/image are left out (truth_size), the first: at '
        f'{START_NS + PERIOD_NS} ns the mask has 64 x 48 pixels, its ground truth 66 x 48'
    )


def test_depth_of_another_size_leaves_a_frame_out_too(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(2):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            bag.image('/camera/labels', frame, all_of(ROAD), 'mono8')
            depth_m = np.full((HEIGHT + frame, WIDTH), 5.0, np.float32)
            bag.image('/camera/depth', frame, depth_m, '32FC1')
    figures = judge(tmp_path, tmp_path / 'bag', *NULL)
    assert figures['dropped_by_reason'] == {'truth_size': 1}
    assert 'the depth has 64 x 48 pixels, its ground truth 64 x 49' in figures['warnings'][0]


def test_truth_of_which_nothing_fits_is_refused(tmp_path: Path, error_of: ErrorOf) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(2):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
        bag.image('/camera/labels', 1, all_of(ROAD, WIDTH + 2), 'mono8')
    line = error_of('evaluate', 'bag', tmp_path / 'bag', *NULL)
    assert f'{tmp_path / "bag"}: no ground truth of /camera/image is of the size' in line
    assert 'its ground truth 66 x 48' in line


def test_other_classes_than_the_truth_says_are_refused(tmp_path: Path, error_of: ErrorOf) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 1), tmp_path / 'bag'))
    arguments = [tmp_path / 'bag', '--engine', 'null', '--truth-labels']
    line = error_of('evaluate', 'bag', *arguments, 'cityscapes')
    assert 'says that its labels are of camvid, and --truth-labels says cityscapes' in line
    # A folder says it in its camera file.
    truth = write_truth_folder(tmp_path / 'truth', 1)
    (truth / 'camera.yaml').write_text((tmp_path / 'drive' / 'camera.yaml').read_text())
    line = error_of('evaluate', 'bag', *arguments, 'cityscapes', '--truth', truth)
    assert f'{truth} says that its labels are of camvid' in line
    judge(tmp_path, *arguments, 'camvid')

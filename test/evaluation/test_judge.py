# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`evaluate bag` on whole bags of every kind."""

from __future__ import annotations

from pathlib import Path
import re

from depthforge_ros.bags.bag import Bag
import numpy as np
import pytest
from support.bags import HEIGHT, recording, scene, WIDTH, write_bag, write_truth
from support.judging import (
    CAMVID_TRUTH,
    judge,
    NULL,
    NULL_ROAD_SHARE,
    without_latency,
    write_truth_folder,
)
from support.refusals import ErrorOf


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'rosbag1'])
def test_every_storage_gives_the_same_figures(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', storage)
    figures = judge(tmp_path, bag, *NULL)
    assert figures['complete']
    assert figures['damage'] is None
    assert (figures['received'], figures['published'], figures['dropped']) == (10, 10, 0)
    assert figures['pixel_accuracy'] == pytest.approx(NULL_ROAD_SHARE, abs=1.5)
    reference = judge(tmp_path, write_bag(tmp_path / 'reference'), *NULL)
    assert without_latency(figures) == without_latency(reference)
    assert len(figures['clips']) == 2
    assert figures['mvc8'] == 100.0


def test_the_same_bag_gives_the_same_figures(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', frames=3)
    first, second = (judge(tmp_path, bag, *CAMVID_TRUTH) for _ in range(2))
    assert first['model'] == 'depthforge_tiny'
    assert first['domain_shift'] > 0.0
    assert 0.0 < first['ece'] < 100.0
    assert None not in (first['aurc'], first['auiou'])
    assert without_latency(first) == without_latency(second)


def test_compressed_images_are_judged(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(3):
            bag.compressed('/camera/image/compressed', frame, scene(frame), '.png')
            write_truth(bag, frame)
    raw = judge(tmp_path, write_bag(tmp_path / 'raw', frames=3), *NULL)
    figures = judge(tmp_path, tmp_path / 'bag', *NULL)
    assert list(figures['cameras']) == ['/camera/image/compressed']
    assert (figures['miou'], figures['absrel'], figures['tc'], figures['flicker']) == (
        raw['miou'], raw['absrel'], raw['tc'], raw['flicker'])  # fmt: skip


def record_answers(path: Path, cameras: dict[str, int]) -> Path:
    """Record two cameras with the node's answers: front right all over, left half of it."""
    with recording(path) as bag:
        for frame in range(9):
            for name, right in cameras.items():
                bag.image(f'/{name}/image', frame, scene(frame), 'rgb8')
                write_truth(bag, frame, f'/{name}')
                if frame == 4 and name == 'left':
                    continue
                mask = np.full((HEIGHT, WIDTH), 5, np.uint8)
                mask[:, :right] = 3
                place = f'/node/{name}/segmentation'
                bag.image(f'{place}/mask', frame, mask, 'mono8', later_ms=20.0 + frame)
                certain = np.full((HEIGHT, WIDTH), 255, np.uint8)
                bag.image(f'{place}/confidence', frame, certain, 'mono8', later_ms=21.0)
                entropy = np.full((HEIGHT, WIDTH), 0.25, np.float32)
                bag.image(f'{place}/entropy', frame, entropy, '32FC1', later_ms=21.0)
    return path


def test_each_camera_is_judged_by_its_own_topics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = record_answers(tmp_path / 'bag', {'front': WIDTH, 'left': WIDTH // 2})
    figures = judge(tmp_path, bag, *CAMVID_TRUTH)
    assert re.search(r'^mvc8 +100\.0 %$', capsys.readouterr().out, re.MULTILINE)
    front, left = (figures['cameras'][f'/{name}/image'] for name in ('front', 'left'))
    assert (front['pixel_accuracy'], left['pixel_accuracy']) == (100.0, 50.0)
    assert (front['received'], left['received']) == (9, 9)
    assert (front['published'], left['published']) == (9, 8)
    assert left['dropped_by_reason'] == figures['dropped_by_reason'] == {'no_answer': 1}
    # 9 right frames of the one, and 8 half right ones of the other.
    assert figures['pixel_accuracy'] == pytest.approx(100.0 * 13.0 / 17.0, abs=0.01)
    assert (figures['received'], figures['published']) == (18, 17)
    # All is said with full confidence, so the error of calibration is the share that is wrong.
    assert (front['ece'], left['ece']) == (0.0, 50.0)
    assert front['entropy'] == left['entropy'] == 0.25
    # Masks come 20 to 28 ms after the images, 100 ms + 1 ms apart; stamps are of the same clock.
    assert (front['latency_ms_p50'], front['latency_ms_max']) == (24.0, 28.0)
    assert (front['age_ms_p50'], front['age_ms_max']) == (24.0, 28.0)
    assert front['throughput_hz'] == pytest.approx(1000.0 / 101.0, abs=1e-3)
    assert front['mvc8'] == left['mvc8'] == 100.0
    assert front['flow_vc8'] is not None
    assert left['time_line']['latency_ms'][4] is None
    assert left['time_line']['miou'][4] is None
    assert len(left['time_line']['time_s']) == 9


def test_what_the_node_said_of_a_camera_is_taken_from_its_diagnostics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(5):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            if frame not in (2, 4):
                mask = np.full((HEIGHT, WIDTH), 3, np.uint8)
                bag.image('/n/segmentation/mask', frame, mask, 'mono8', later_ms=10.0)
            if frame == 1:
                said = {'domain_shift': '1.500', 'mean_entropy': '0.250', 'model': 'mine',
                        'dropped.replaced': '1'}  # fmt: skip
                bag.diagnostics(frame, '/camera/image', said)
                bag.diagnostics(frame, '/other/image', {'domain_shift': '9', 'model': 'mine'})
        bag.diagnostics(5, '', {})  # of a node that was cleaned up
    figures = judge(tmp_path, tmp_path / 'bag', '--mask-labels', 'camvid')
    # Frame 4 came after the last report.
    assert figures['dropped_by_reason'] == {'replaced': 1, 'no_answer': 1}
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ['dropped,', 'no_answer', '1'] in printed
    assert printed[-1][:4] == ['no', 'data', 'for', 'boundary_f,']
    assert figures['model'] == 'mine'
    line = figures['cameras']['/camera/image']['time_line']
    assert line['domain_shift'] == [None, None, None, 1.5, None]
    assert line['entropy'] == [None, None, None, 0.25, None]
    assert line['time_s'] == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_one_camera_of_several_can_be_chosen(tmp_path: Path) -> None:
    bag = record_answers(tmp_path / 'bag', {'front': WIDTH, 'left': WIDTH // 2})
    figures = judge(tmp_path, bag, *CAMVID_TRUTH, '--topic', '/left/image')
    assert list(figures['cameras']) == ['/left/image']
    assert figures['pixel_accuracy'] == 50.0


def test_a_node_that_ran_on_one_of_two_cameras_is_judged_there(
    tmp_path: Path, error_of: ErrorOf
) -> None:
    for node, expected in (('/node/left', '/left/image'), ('/node', None)):
        path = tmp_path / node[-4:]
        with recording(path) as bag:
            for frame, name in ((0, 'front'), (0, 'left'), (1, 'front'), (1, 'left')):
                bag.image(f'/{name}/image', frame, scene(frame), 'rgb8')
                write_truth(bag, frame, f'/{name}')
                if name == 'left':
                    mask = np.full((HEIGHT, WIDTH), 3, np.uint8)
                    bag.image(f'{node}/segmentation/mask', frame, mask, 'mono8')
        if expected is None:
            # Nothing says whose masks these are.
            line = error_of('evaluate', 'bag', path, *CAMVID_TRUTH)
            assert 'choose its camera by --topic' in line
            figures = judge(tmp_path, path, *CAMVID_TRUTH, '--topic', '/left/image')
        else:
            figures = judge(tmp_path, path, *CAMVID_TRUTH)
        assert list(figures['cameras']) == ['/left/image']
        assert (figures['miou'], figures['published']) == (100.0, 2)


def test_recorded_figures_are_the_same_each_time(tmp_path: Path) -> None:
    bag = record_answers(tmp_path / 'bag', {'front': WIDTH, 'left': WIDTH // 2})
    assert judge(tmp_path, bag, *CAMVID_TRUTH) == judge(tmp_path, bag, *CAMVID_TRUTH)


def test_compressed_masks_are_judged(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(3):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            write_truth(bag, frame)
            mask = np.full((HEIGHT, WIDTH), 3, np.uint8)
            bag.compressed('/n/segmentation/mask/compressed', frame, mask, '.png')
    figures = judge(tmp_path, tmp_path / 'bag', *CAMVID_TRUTH)
    assert figures['judged'] == 'recorded'
    assert figures['miou'] == 100.0
    assert list(figures['cameras']) == ['/camera/image']


def test_truth_in_a_folder_by_stamp_is_that_of_topics(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', frames=4)
    by_topic = judge(tmp_path, bag, *NULL)
    with recording(tmp_path / 'images') as images:
        for frame in range(4):
            images.image('/camera/image', frame, scene(frame), 'rgb8')
    truth = write_truth_folder(tmp_path / 'truth', 4)
    by_folder = judge(tmp_path, tmp_path / 'images', '--truth', str(truth), *NULL)
    assert without_latency(by_folder) == without_latency(by_topic)


def test_a_camera_recorded_raw_and_compressed_beside_depth_is_one(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        bag.compressed('/camera/image/compressed', 0, scene(0), '.png')
        bag.compressed('/n/segmentation/mask/compressed', 0, scene(0)[..., 0], '.png')
        bag.image('/n/depth/image', 0, scene(0)[..., 0].astype(np.uint16), '16UC1')
        bag.compressed('/n/depth/image/compressedDepth', 0, scene(0)[..., 0], '.png')
        bag.compressed('/camera/depth/image_raw/compressedDepth', 0, scene(0)[..., 0], '.png')
        depth = scene(0)[..., 0].astype(np.uint16)
        bag.image('/camera/aligned_depth_to_color/image_raw', 0, depth, '16UC1')
    with Bag(tmp_path / 'bag') as read:
        assert read.camera_topics() == ['/camera/image']

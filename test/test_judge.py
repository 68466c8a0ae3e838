# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`evaluate bag` on bags of every kind, whole and broken."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import shutil
from typing import Any

from bags import cut, HEIGHT, recording, scene, WIDTH, write_drive, write_truth
import cv2
from depthforge_ros.cli.main import main
from depthforge_ros.evaluation.bag import Bag
from depthforge_ros.evaluation.make_bag import START_NS
import numpy as np
import pytest

NULL_ROAD_SHARE = 100.0 / 11.0
"""The null engine says each of CamVid's 11 classes for as many columns."""
CAMVID_TRUTH = ('--truth-labels', 'camvid')
NULL = ('--engine', 'null', *CAMVID_TRUTH)


def judge(folder: Path, bag: Path, *more: str, code: int = 0) -> dict[str, Any]:
    path = folder / 'figures.json'
    assert main(['evaluate', 'bag', str(bag), *more, '--json', str(path)]) == code
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def refusal(capsys: pytest.CaptureFixture[str], bag: Path, *more: str) -> str:
    """Return the one line that a bad input ends with."""
    assert main(['evaluate', 'bag', str(bag), *more]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if 'error' in line]
    assert len(lines) == 1
    return lines[0]


def without_latency(figures: Any) -> Any:
    """Leave out what depends on the machine."""
    if isinstance(figures, dict):
        return {
            key: without_latency(value)
            for key, value in figures.items()
            if 'latenc' not in key and key not in ('throughput_hz', 'pace', 'bag')
        }
    return [without_latency(one) for one in figures] if isinstance(figures, list) else figures


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'rosbag1'])
def test_every_storage_gives_the_same_figures(tmp_path: Path, storage: str) -> None:
    bag = write_drive(tmp_path / 'bag', storage)
    figures = judge(tmp_path, bag, *NULL)
    assert figures['complete']
    assert figures['damage'] is None
    assert (figures['received'], figures['published'], figures['dropped']) == (10, 10, 0)
    assert figures['pixel_accuracy'] == pytest.approx(NULL_ROAD_SHARE, abs=1.5)
    reference = judge(tmp_path, write_drive(tmp_path / 'reference'), *NULL)
    assert without_latency(figures) == without_latency(reference)
    assert len(figures['clips']) == 2
    assert figures['mvc8'] == 100.0


def test_the_same_bag_gives_the_same_figures(tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', frames=3)
    first, second = (judge(tmp_path, bag, *CAMVID_TRUTH) for _ in range(2))
    assert first['model'] == 'depthforge_tiny'
    assert first['domain_shift'] > 0.0
    assert 0.0 < first['ece'] < 100.0
    assert without_latency(first) == without_latency(second)


def test_compressed_images_are_judged(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(3):
            bag.compressed('/camera/image/compressed', frame, scene(frame), '.png')
            write_truth(bag, frame)
    raw = judge(tmp_path, write_drive(tmp_path / 'raw', frames=3), *NULL)
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


def test_each_camera_is_judged_by_its_own_topics(tmp_path: Path) -> None:
    bag = record_answers(tmp_path / 'bag', {'front': WIDTH, 'left': WIDTH // 2})
    figures = judge(tmp_path, bag, *CAMVID_TRUTH)
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


def test_what_the_node_said_of_a_camera_is_taken_from_its_diagnostics(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(4):
            bag.image('/camera/image', frame, scene(frame), 'rgb8')
            if frame != 2:
                mask = np.full((HEIGHT, WIDTH), 3, np.uint8)
                bag.image('/n/segmentation/mask', frame, mask, 'mono8', later_ms=10.0)
            if frame == 1:
                said = {'domain_shift': '1.500', 'mean_entropy': '0.250', 'model': 'mine',
                        'dropped.replaced': '1'}  # fmt: skip
                bag.diagnostics(frame, '/camera/image', said)
                bag.diagnostics(frame, '/other/image', {'domain_shift': '9', 'model': 'mine'})
    figures = judge(tmp_path, tmp_path / 'bag', '--mask-labels', 'camvid')
    assert figures['dropped_by_reason'] == {'replaced': 1}
    assert figures['model'] == 'mine'
    line = figures['cameras']['/camera/image']['time_line']
    assert line['domain_shift'] == [None, None, None, 1.5]
    assert line['entropy'] == [None, None, None, 0.25]
    assert line['time_s'] == [0.0, 0.1, 0.2, 0.3]


def test_one_camera_of_several_can_be_chosen(tmp_path: Path) -> None:
    bag = record_answers(tmp_path / 'bag', {'front': WIDTH, 'left': WIDTH // 2})
    figures = judge(tmp_path, bag, *CAMVID_TRUTH, '--topic', '/left/image')
    assert list(figures['cameras']) == ['/left/image']
    assert figures['pixel_accuracy'] == 50.0


def test_a_node_that_ran_on_one_of_two_cameras_is_judged_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
            assert 'choose its camera by --topic' in refusal(capsys, path, *CAMVID_TRUTH)
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


def write_truth_folder(folder: Path, frames: int, about: str = '') -> Path:
    for name in ('labels', 'depth'):
        (folder / name).mkdir(parents=True)
    rows = (2.0 + np.arange(HEIGHT)) * 256.0
    for frame in range(frames):
        name = f'{START_NS + frame * 100_000_000}.png'
        cv2.imwrite(str(folder / 'labels' / name), np.full((HEIGHT, WIDTH), 3, np.uint8))
        depth = np.repeat(rows.astype(np.uint16)[:, None], WIDTH, axis=1)
        cv2.imwrite(str(folder / 'depth' / name), depth)
    if about:
        (folder / 'camera.yaml').write_text(about)
    return folder


def test_truth_in_a_folder_by_stamp_is_that_of_topics(tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', frames=4)
    by_topic = judge(tmp_path, bag, *NULL)
    with recording(tmp_path / 'images') as images:
        for frame in range(4):
            images.image('/camera/image', frame, scene(frame), 'rgb8')
    truth = write_truth_folder(tmp_path / 'truth', 4)
    by_folder = judge(tmp_path, tmp_path / 'images', '--truth', str(truth), *NULL)
    assert without_latency(by_folder) == without_latency(by_topic)


def cut_in_the_middle(path: Path) -> None:
    cut(path, 0.6)


def lose_the_metadata(path: Path) -> None:
    cut(path, 0.6)
    if path.is_dir():
        (path / 'metadata.yaml').unlink()


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'rosbag1'])
@pytest.mark.parametrize('harm', [cut_in_the_middle, lose_the_metadata])
def test_a_bag_cut_short_is_judged_as_far_as_it_goes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    storage: str,
    harm: Callable[[Path], None],
) -> None:
    bag = write_drive(tmp_path / 'bag', storage, frames=20)
    whole = judge(tmp_path, bag, *NULL)
    harm(bag)
    capsys.readouterr()
    figures = judge(tmp_path, bag, *NULL, code=3)
    assert not figures['complete']
    assert 'cut short' in figures['damage']
    assert 'warning: ' in capsys.readouterr().err
    assert 5 <= figures['received'] < 20
    # What is there is judged as it was.
    line, of_whole = (one['cameras']['/camera/image']['time_line'] for one in (figures, whole))
    judged = figures['received']
    # The last frame may have lost its truth with the end of the file.
    assert line['miou'][: judged - 1] == of_whole['miou'][: judged - 1]
    assert line['tc'][:judged] == of_whole['tc'][:judged]


def test_a_bag_whose_metadata_is_lost_alone_is_judged_whole(tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', frames=4)
    (bag / 'metadata.yaml').unlink()
    figures = judge(tmp_path, bag, *NULL, code=3)
    assert figures['received'] == 4


def test_the_bag_itself_is_not_touched(tmp_path: Path) -> None:
    bag = cut(write_drive(tmp_path / 'bag'), 0.6)
    before = {path.name: path.read_bytes() for path in bag.iterdir()}
    judge(tmp_path, bag, *NULL, code=3)
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == before


@pytest.mark.parametrize('storage', ['mcap', 'rosbag1'])
def test_a_damaged_place_ends_the_judgement(tmp_path: Path, storage: str) -> None:
    bag = write_drive(tmp_path / 'bag', storage, frames=20)
    file = bag if bag.is_file() else next(bag.glob('*.mcap'))
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40_000] = bytes(40_000)
    file.write_bytes(data)
    figures = judge(tmp_path, bag, *NULL, code=3)
    assert bag.name in figures['damage']
    assert 0 < figures['received'] < 20


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'rosbag1'])
def test_nothing_but_a_beginning_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], storage: str
) -> None:
    bag = cut(write_drive(tmp_path / 'bag', storage), 0.0001)
    assert 'cannot be read as a bag' in refusal(capsys, bag, *NULL)


def test_a_missing_topic_lists_those_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_drive(tmp_path / 'bag', frames=1)
    line = refusal(capsys, bag, *NULL, '--topic', '/front')
    assert 'it has /camera/depth, /camera/image, /camera/labels' in line


def test_labels_of_another_size_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        bag.image('/camera/labels', 0, np.zeros((HEIGHT, WIDTH + 2), np.uint8), 'mono8')
    assert 'its ground truth 66 x 48' in refusal(capsys, tmp_path / 'bag', *NULL)


def test_an_unknown_encoding_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(3):
            bag.image('/camera/image', frame, scene(frame), 'hsv8')
            write_truth(bag, frame)
    assert 'has an answer (unknown_encoding)' in refusal(capsys, tmp_path / 'bag', *NULL)
    with recording(tmp_path / 'labels') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        bag.image('/camera/labels', 0, scene(0), 'rgb8')
    line = refusal(capsys, tmp_path / 'labels', *NULL)
    assert "encoding 'rgb8' came, mono8 or 8UC1 is needed" in line


def test_single_broken_images_are_counted_by_reason(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(5):
            bag.image('/camera/image', frame, scene(frame), 'hsv8' if frame == 2 else 'rgb8')
            write_truth(bag, frame)
    figures = judge(tmp_path, tmp_path / 'bag', *NULL)
    assert figures['dropped_by_reason'] == {'unknown_encoding': 1}
    assert (figures['received'], figures['published']) == (5, 4)


def test_stamps_without_overlap_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_drive(tmp_path / 'bag', frames=2)
    with recording(tmp_path / 'late') as late:
        write_truth(late, 50)
    line = refusal(capsys, bag, '--truth', str(tmp_path / 'late'), *NULL)
    assert f'the truth begins at {START_NS + 50 * 100_000_000} ns' in line
    truth = write_truth_folder(tmp_path / 'truth', 1)
    for name in ('labels', 'depth'):
        (truth / name / f'{START_NS}.png').rename(truth / name / '12.png')
    assert 'the truth begins at 12 ns' in refusal(capsys, bag, '--truth', str(truth), *NULL)
    (truth / 'labels' / '12.png').rename(truth / 'labels' / 'front.png')
    assert 'front.png is not named by a stamp' in refusal(
        capsys, bag, '--truth', str(truth), *NULL)  # fmt: skip
    shutil.rmtree(truth / 'labels')
    shutil.rmtree(truth / 'depth')
    assert 'holds no ground truth' in refusal(capsys, bag, '--truth', str(truth), *NULL)


def test_masks_of_other_stamps_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        bag.image('/n/segmentation/mask', 7, mask, 'mono8')
    line = refusal(capsys, tmp_path / 'bag', '--mask-labels', 'camvid')
    assert 'compare the header stamps of images and masks' in line


def test_masks_of_unknown_classes_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        bag.image('/n/segmentation/mask', 0, np.zeros((HEIGHT, WIDTH), np.uint8), 'mono8')
    assert 'say it by --mask-labels' in refusal(capsys, tmp_path / 'bag')


def test_a_camera_recorded_raw_and_compressed_is_one(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        bag.compressed('/camera/image/compressed', 0, scene(0), '.png')
        bag.compressed('/n/segmentation/mask/compressed', 0, scene(0)[..., 0], '.png')
    with Bag(tmp_path / 'bag') as read:
        assert read.camera_topics() == ['/camera/image']

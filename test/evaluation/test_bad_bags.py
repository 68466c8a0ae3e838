# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`evaluate bag` on bags that are cut short, damaged, or hold the wrong things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import shutil

from depthforge_ros.bags.make_bag import START_NS
import numpy as np
import pytest
from support.bags import cut, HEIGHT, recording, scene, WIDTH, write_bag, write_truth
from support.judging import judge, NULL, write_truth_folder
from support.refusals import ErrorOf


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
    bag = write_bag(tmp_path / 'bag', storage, frames=20)
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
    bag = write_bag(tmp_path / 'bag', frames=4)
    (bag / 'metadata.yaml').unlink()
    figures = judge(tmp_path, bag, *NULL, code=3)
    assert figures['received'] == 4


def test_the_bag_itself_is_not_touched(tmp_path: Path) -> None:
    bag = cut(write_bag(tmp_path / 'bag'), 0.6)
    before = {path.name: path.read_bytes() for path in bag.iterdir()}
    judge(tmp_path, bag, *NULL, code=3)
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == before


@pytest.mark.parametrize('storage', ['mcap', 'rosbag1'])
def test_a_damaged_place_ends_the_judgement(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', storage, frames=20)
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
    tmp_path: Path, error_of: ErrorOf, storage: str
) -> None:
    bag = cut(write_bag(tmp_path / 'bag', storage), 0.0001)
    assert 'cannot be read as a bag' in error_of('evaluate', 'bag', bag, *NULL)


def test_a_missing_topic_lists_those_that_are_there(tmp_path: Path, error_of: ErrorOf) -> None:
    bag = write_bag(tmp_path / 'bag', frames=1)
    line = error_of('evaluate', 'bag', bag, *NULL, '--topic', '/front')
    assert line.endswith('has no image topic /front; it has /camera/image')


@pytest.mark.parametrize('kind', ['labels', 'depth'])
def test_a_broken_file_of_the_truth_is_named_and_left_out(tmp_path: Path, kind: str) -> None:
    bag, truth = write_bag(tmp_path / 'bag', frames=3), write_truth_folder(tmp_path / 'truth', 3)
    broken = sorted((truth / kind).iterdir())[1]
    broken.write_bytes(b'no image')
    figures = judge(tmp_path, bag, '--truth', str(truth), *NULL, code=3)
    assert f'{kind} {broken} cannot be read as an image (of no known format)' in figures['damage']
    assert figures['miou'] is not None
    assert figures['absrel'] is not None


@pytest.mark.parametrize('storage', ['mcap', 'rosbag1'])
@pytest.mark.parametrize('side', ['bag', 'truth'])
def test_errors_of_a_cut_bag_name_the_bag(
    tmp_path: Path, error_of: ErrorOf, storage: str, side: str
) -> None:
    whole = write_bag(tmp_path / 'whole', storage, frames=1)
    broken = cut(write_bag(tmp_path / 'cut', storage, frames=20), 0.6)
    if side == 'bag':
        line = error_of('evaluate', 'bag', broken, *NULL, '--topic', '/front')
        assert f'{broken} has no image topic /front' in line
    else:
        line = error_of('evaluate', 'bag', whole, '--truth', broken, '--engine', 'null')
        assert f'{broken} holds labels on /camera/labels but not what' in line
    assert '_repaired' not in line


def test_an_unknown_encoding_is_named(tmp_path: Path, error_of: ErrorOf) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(3):
            bag.image('/camera/image', frame, scene(frame), 'hsv8')
            write_truth(bag, frame)
    assert 'has an answer (unknown_encoding)' in error_of(
        'evaluate', 'bag', tmp_path / 'bag', *NULL
    )
    with recording(tmp_path / 'labels') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        bag.image('/camera/labels', 0, scene(0), 'rgb8')
    line = error_of('evaluate', 'bag', tmp_path / 'labels', *NULL)
    assert "encoding 'rgb8'; mono8 or 8UC1 is needed" in line


def test_single_broken_images_are_counted_by_reason(tmp_path: Path) -> None:
    with recording(tmp_path / 'bag') as bag:
        for frame in range(5):
            bag.image('/camera/image', frame, scene(frame), 'hsv8' if frame == 2 else 'rgb8')
            write_truth(bag, frame)
    figures = judge(tmp_path, tmp_path / 'bag', *NULL)
    assert figures['dropped_by_reason'] == {'unknown_encoding': 1}
    assert (figures['received'], figures['published']) == (5, 4)


def test_stamps_without_overlap_are_refused(tmp_path: Path, error_of: ErrorOf) -> None:
    bag = write_bag(tmp_path / 'bag', frames=2)
    with recording(tmp_path / 'late') as late:
        write_truth(late, 50)
    line = error_of('evaluate', 'bag', bag, '--truth', tmp_path / 'late', *NULL)
    assert f'the truth begins at {START_NS + 50 * 100_000_000} ns' in line
    truth = write_truth_folder(tmp_path / 'truth', 1)
    for name in ('labels', 'depth'):
        (truth / name / f'{START_NS}.png').rename(truth / name / '12.png')
    command = ('evaluate', 'bag', bag, '--truth', truth, *NULL)
    assert 'the truth begins at 12 ns' in error_of(*command)
    (truth / 'labels' / '12.png').rename(truth / 'labels' / 'front.png')
    assert 'front.png is not named by a stamp' in error_of(*command)
    shutil.rmtree(truth / 'labels')
    shutil.rmtree(truth / 'depth')
    assert 'holds no ground truth' in error_of(*command)


def test_masks_of_other_stamps_are_refused(tmp_path: Path, error_of: ErrorOf) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        bag.image('/n/segmentation/mask', 7, mask, 'mono8')
    line = error_of('evaluate', 'bag', tmp_path / 'bag', '--mask-labels', 'camvid')
    assert 'compare the header stamps of images and masks' in line


def test_masks_of_unknown_classes_are_asked_for(tmp_path: Path, error_of: ErrorOf) -> None:
    with recording(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 0, scene(0), 'rgb8')
        bag.image('/n/segmentation/mask', 0, np.zeros((HEIGHT, WIDTH), np.uint8), 'mono8')
    assert 'say it by --mask-labels' in error_of('evaluate', 'bag', tmp_path / 'bag')

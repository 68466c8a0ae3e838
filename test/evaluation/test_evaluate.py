# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID, CITYSCAPES
from depthforge_ros.metrics.segmentation import common_space, mapping, SegmentationScore
import numpy as np
import pytest
from support.commands import figures_of
from support.drives import add_answers, HEIGHT, make_bag_arguments, WIDTH, write_drive
from support.refusals import ErrorOf

NULL_ROAD_SHARE = 1.0 / 6.0
"""The null engine says id 3 for a sixth of the left half of an image."""


def test_images_are_judged_over_all_labelled_pixels(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive')
    figures = figures_of(tmp_path, 'evaluate', 'images', '--dataset', 'folder', '--root', drive,
                         '--labels', 'camvid', '--engine', 'null')  # fmt: skip
    assert figures['images'] == 3
    # The labelled half is all road; the null engine says six classes there, sky to tree.
    assert figures['per_class']['road'] == figures['pixel_accuracy']
    assert figures['per_class']['sky'] == 0.0
    assert figures['per_class']['bicyclist'] is None
    assert figures['miou'] == pytest.approx(figures['per_class']['road'] / 6.0, abs=0.01)
    assert figures['pixel_accuracy'] == pytest.approx(NULL_ROAD_SHARE * 100.0, abs=3.0)


def test_match_and_limit_choose_files(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / 'drive', 4)
    common = ('evaluate', 'images', '--dataset', 'folder', '--root', drive, '--labels', 'camvid',
              '--engine', 'null')  # fmt: skip
    assert figures_of(tmp_path, *common, '--match', '00[13]*')['images'] == 2
    assert figures_of(tmp_path, *common, '--limit', '3')['images'] == 3


def test_camvid_and_kitti_layouts_are_found(tmp_path: Path) -> None:
    write_drive(tmp_path / 'camvid' / 'test', 2)
    command = ('evaluate', 'images', '--engine', 'null', '--dataset')
    camvid = ('camvid', '--root', tmp_path / 'camvid', '--split', 'test')
    figures = figures_of(tmp_path, *command, *camvid)
    assert figures['images'] == 2
    kitti = write_drive(tmp_path / 'kitti', 1)
    cv2.imwrite(str(kitti / 'labels' / '000.png'), np.zeros((HEIGHT, WIDTH), np.uint8))
    semantic = ('kitti_semantic', '--root', kitti, '--label-space', 'camvid')
    figures = figures_of(tmp_path, *command, *semantic)
    # All is Cityscapes' road, which is 3 for CamVid: one eleventh of what the null engine says.
    assert figures['per_class']['road'] == pytest.approx(100.0 / 11.0, abs=1.5)
    assert len(figures['per_class']) == 11


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--dataset', 'nuscenes'], "'nuscenes' is not known; choose one of acdc"),
        (['--dataset', 'camvid', '--split', 'dev'], "no split 'dev'"),
        (['--dataset', 'idd_lite'], 'needs a split; choose one of train, val'),
        (['--dataset', 'kitti_semantic', '--split', 'val'], 'it has no splits: leave it out'),
        (['--dataset', 'bdd10k', '--labels', 'camvid'], 'whose classes are known'),
        (['--dataset', 'camvid', '--split', 'val'], 'expected labels val/labels/*.png there'),
        (['--dataset', 'folder'], 'names no classes; choose one of camvid'),
        (['--dataset', 'folder', '--labels', 'camvid', '--match', 'z*'], "matches 'z*'"),
        (['--dataset', 'folder', '--labels', 'camvid', '--limit', '0'], 'at least 1 image'),
        (['--dataset', 'folder', '--labels', 'camvid', '--label-space', 'cityscapes'],
         'cannot be mapped'),
        (['--dataset', 'folder', '--labels', 'made-up'], 'invalid choice'),
    ],
)  # fmt: skip
def test_wrong_choices_are_one_line(
    tmp_path: Path, error_of: ErrorOf, arguments: list[str], expected: str
) -> None:
    common = ('evaluate', 'images', '--root', write_drive(tmp_path / 'drive', 1))
    assert expected in error_of(*common, '--engine', 'null', *arguments)


def test_a_split_is_asked_for_where_none_was_given(tmp_path: Path, error_of: ErrorOf) -> None:
    write_drive(tmp_path / 'test', 1)
    error = error_of('evaluate', 'images', '--dataset', 'camvid', '--root', tmp_path)
    assert 'or choose a split: train, val, test' in error


@pytest.mark.parametrize(
    ('labels', 'expected'),
    [
        (np.full((HEIGHT, WIDTH), 12, np.uint8), 'holds the value 12'),
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), 'an 8-bit image of one channel'),
        (np.zeros((HEIGHT, WIDTH + 1), np.uint8), '65 x 48'),
        (None, 'no labels of the same name'),
    ],
)
def test_wrong_labels_are_named(
    tmp_path: Path, error_of: ErrorOf, labels: np.ndarray | None, expected: str
) -> None:
    drive = write_drive(tmp_path / 'drive', 2)
    path = drive / 'labels' / '001.png'
    if labels is None:
        path.unlink()
    else:
        cv2.imwrite(str(path), labels)
    error = error_of('evaluate', 'images', '--dataset', 'folder', '--labels', 'camvid',
                     '--root', drive, '--engine', 'null')  # fmt: skip
    assert expected in error
    assert '001.' in error


def test_label_spaces_meet_in_the_coarser_one() -> None:
    assert common_space(CAMVID, CITYSCAPES) == CAMVID
    assert mapping(CITYSCAPES, CAMVID)[[0, 11, 18, 255]].tolist() == [3, 9, 10, 255]
    score = SegmentationScore(truth=CAMVID, predicted=CITYSCAPES, target=CAMVID)
    every = np.arange(19, dtype=np.uint8)[None]
    score.add(truth=mapping(CITYSCAPES, CAMVID)[every], predicted=every)
    assert score.figures()['miou'] == 100.0
    with pytest.raises(UserError, match='holds the id 19'):
        score.add(truth=every, predicted=every + 1)


def test_recorded_answers_are_judged_by_stamp_against_another_bag(tmp_path: Path) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 10), tmp_path / 'in'))
    add_answers(tmp_path / 'in', tmp_path / 'out', drop=4)
    report = tmp_path / 'report.html'
    figures = figures_of(tmp_path, 'evaluate', 'bag', tmp_path / 'out', '--truth', tmp_path / 'in',
                         '--report', report)  # fmt: skip
    assert (figures['received'], figures['published'], figures['dropped']) == (10, 9, 1)
    assert figures['miou'] == 100.0
    assert figures['absrel'] == pytest.approx(0.0, abs=1e-4)
    assert figures['latency_ms_p50'] == figures['latency_ms_p99'] == 25.0
    page = report.read_text(encoding='utf-8')
    assert 'data:image/jpeg;base64,' in page
    assert 'src="http' not in page
    assert page.count('Plotly.newPlot(') >= 3


def test_labels_of_unknown_classes_are_asked_for(tmp_path: Path, error_of: ErrorOf) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 1), tmp_path / 'bag'))
    (inside,) = (tmp_path / 'bag').glob('*.mcap')
    mcap = inside.rename(tmp_path / 'alone.mcap')
    arguments = ['evaluate', 'bag', str(mcap), '--engine', 'null']
    assert 'say it by --truth-labels' in error_of(*arguments)
    assert main([*arguments, '--truth-labels', 'camvid']) == 0


@pytest.mark.parametrize('share', [1.0, 0.7])
def test_a_file_of_a_bag_has_the_classes_that_the_metadata_beside_it_says(
    tmp_path: Path, share: float
) -> None:
    main(make_bag_arguments(write_drive(tmp_path / 'drive', 4), tmp_path / 'bag'))
    (mcap,) = (tmp_path / 'bag').glob('*.mcap')
    whole = mcap.read_bytes()
    if share < 1.0:
        mcap.write_bytes(whole[: whole.rindex(b'/camera/image') - 1])
    arguments = ['evaluate', 'bag', str(mcap), '--engine', 'null']
    assert main(arguments) == (0 if share == 1.0 else 3)
    stranger = mcap.rename(mcap.with_name('other.mcap'))
    assert main(['evaluate', 'bag', str(stranger), '--engine', 'null']) == 2

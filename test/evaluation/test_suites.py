# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Folder layouts of the video benchmarks, on miniature trees written as their sources say."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path

import cv2
from depthforge_ros.cli.main import main
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.compare import Run
from depthforge_ros.evaluation.label_ids import (
    APOLLOSCAPE_IDS,
    CITYSCAPES_IDS,
    KITTI_360_IDS,
    read_label_ids,
)
from depthforge_ros.evaluation.suites import check_suite, open_suite, SuiteCheck, SUITES
from depthforge_ros.labels import CITYSCAPES
import numpy as np
import pytest
from support.commands import figures_of
from support.refusals import ErrorOf

HEIGHT, WIDTH = 24, 32
DRIVE = '2013_05_28_drive_0000_sync'
CAMERA = '170908_061502{}_Camera_5'
CAMVID_SHARED = Path(os.environ.get('DEPTHFORGE_SHARED', 'none')) / 'data' / 'camvid'


def write_image(path: Path, value: int = 90, shape: tuple[int, ...] = (HEIGHT, WIDTH, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(shape, value, np.uint8))


def write_labels(path: Path, value: int) -> None:
    write_image(path, value, (HEIGHT, WIDTH))


def cityscapes_sequences(root: Path) -> None:
    """Two snippets of 30 frames, whose 20th is labelled; they are one city's, numbered on."""
    for first in (0, 40):
        for frame in range(first, first + 30):
            name = f'munster_000000_{frame:06d}_leftImg8bit.png'
            write_image(root / 'leftImg8bit_sequence' / 'val' / 'munster' / name)
        name = f'munster_000000_{first + 19:06d}_gtFine_labelIds.png'
        write_labels(root / 'gtFine' / 'val' / 'munster' / name, 7)


def cityscapes_c(root: Path) -> None:
    for corruption, severity in (('fog', 1), ('fog', 5), ('gaussian_noise', 3)):
        folder = root / 'leftImg8bit_c' / corruption / str(severity) / 'val' / 'frankfurt'
        write_image(folder / 'frankfurt_000000_000294_leftImg8bit.png')
    name = 'frankfurt_000000_000294_gtFine_labelIds.png'
    write_labels(root / 'gtFine' / 'val' / 'frankfurt' / name, 7)


def camvid(root: Path) -> None:
    for stem in ('0001TP_008550', '0001TP_008580', 'Seq05VD_f00000'):
        write_image(root / 'test' / 'images' / f'{stem}.jpg')
        write_labels(root / 'test' / 'labels' / f'{stem}.png', 3)


def kitti_360(root: Path) -> None:
    """Three frames on the list of the split, of which one begins anew, and one that is not."""
    lines = []
    for frame in (250, 251, 252, 400):
        image = f'data_2d_raw/{DRIVE}/image_00/data_rect/{frame:010d}.png'
        labels = f'data_2d_semantics/train/{DRIVE}/image_00/semantic/{frame:010d}.png'
        write_image(root / image)
        write_labels(root / labels, 7)
        if frame != 252:
            lines.append(f'{image} {labels}\n')
    listing = root / 'data_2d_semantics' / 'train' / '2013_05_28_drive_val_frames.txt'
    listing.write_text(''.join(lines), encoding='utf-8')


def apolloscape(root: Path) -> None:
    road = root / 'road03_ins'
    for stamp in (408, 724):
        name = CAMERA.format(stamp)
        write_image(road / 'ColorImage' / 'Record001' / 'Camera 5' / f'{name}.jpg')
        write_labels(road / 'Label' / 'Record001' / 'Camera 5' / f'{name}_bin.png', 49)


TREES: dict[str, Callable[[Path], None]] = {
    one.__name__: one
    for one in (cityscapes_sequences, cityscapes_c, camvid, kitti_360, apolloscape)
}
COUNTS = {
    'cityscapes_sequences': (2, 60, 2),
    'cityscapes_c': (3, 3, 3),
    'camvid': (2, 3, 3),
    'kitti_360': (2, 3, 3),
    'apolloscape': (1, 2, 2),
}
"""Sequences, images, labelled images of each tree."""


def checked(name: str, root: Path) -> SuiteCheck:
    return check_suite(SUITES[name], root, SUITES[name].default_split)


def test_every_suite_has_a_tree() -> None:
    assert TREES.keys() == SUITES.keys() == COUNTS.keys()


@pytest.mark.parametrize('name', SUITES)
def test_files_are_found_and_counted(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    check = checked(name, tmp_path)
    assert (check.sequences, check.images, check.labelled) == COUNTS[name]
    whole = SUITES[name].splits[SUITES[name].default_split]
    assert check.faults == [] if whole is None else str(whole) in ' '.join(check.faults)


@pytest.mark.parametrize('name', SUITES)
def test_a_model_is_judged_on_every_suite(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path / 'tree')
    arguments = ('suite', name, '--root', tmp_path / 'tree', '--engine', 'null')
    figures = figures_of(tmp_path, 'evaluate', *arguments, '--label-space', 'camvid')
    sequences, images, labelled = COUNTS[name]
    assert (figures['sequences'], figures['received'], figures['images']) == (
        sequences, images, labelled,
    )  # fmt: skip
    # All is road in every tree, whatever its id; the null engine says every class equally often.
    assert figures['per_class']['road'] == pytest.approx(100.0 / 11.0, abs=3.0)
    assert None not in [figures[one] for one in ('aurc', 'auiou', 'error_auroc_confidence')]
    assert (
        len(Run.load(tmp_path / 'figures.json').clips)
        == sequences + (name == 'cityscapes_sequences') * 6
    )
    assert sum(group['received'] for group in figures['groups'].values()) == images


def test_a_benchmark_with_labels_of_another_size_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camvid(tmp_path)
    write_image(tmp_path / 'test' / 'labels' / '0001TP_008580.png', 3, (8, 8))
    arguments = ['evaluate', 'suite', 'camvid', '--root', str(tmp_path), '--engine', 'null']
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert 'its ground truth 8 x 8; a benchmark is judged whole' in told
    assert 'warning: 3 images have labels, 233 should' in told


def test_groups_are_corruptions_and_drives(tmp_path: Path) -> None:
    cityscapes_c(tmp_path / 'c')
    camvid(tmp_path / 'camvid')
    assert set(checked('cityscapes_c', tmp_path / 'c').groups) == {
        'fog/1', 'fog/5', 'gaussian_noise/3',
    }  # fmt: skip
    assert checked('camvid', tmp_path / 'camvid').groups == {'0001TP': 2, 'Seq05VD': 1}


def test_a_jump_in_the_numbers_begins_another_sequence(tmp_path: Path) -> None:
    kitti_360(tmp_path)
    first, second = open_suite(SUITES['kitti_360'], tmp_path, 'val')
    assert [frame.image.stem for frame in first.frames] == ['0000000250', '0000000251']
    assert [frame.image.stem for frame in second.frames] == ['0000000400']


@pytest.mark.parametrize(
    ('spoil', 'expected'),
    [
        (lambda one: (one / 'labels' / '0001TP_008580.png').unlink(), '2 images have labels, 233'),
        (lambda one: (one / 'labels' / '0001TP_008580.png').unlink(), '0001TP_008580.jpg; they'),
        (lambda one: (one / 'images' / 'Seq05VD_f00000.jpg').write_bytes(b''), 'is empty'),
        (lambda one: write_image(one / 'images' / 'holiday.jpg'), '1 images are not named'),
        (lambda one: write_labels(one / 'labels' / '0001TP_008550.png', 40), 'hold the id 40'),
        (lambda one: write_image(one / 'labels' / '0001TP_008550.png', 3, (8, 8)), '8 x 8'),
        (lambda one: (one / 'images' / '0001TP_008550.jpg').write_bytes(b'x'), 'Seq05VD'),
    ],
)
def test_check_says_what_is_wrong(
    spoil: Callable[[Path], None], expected: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    camvid(tmp_path)
    spoil(tmp_path / 'test')
    assert main(['suites', 'camvid', '--root', str(tmp_path)]) == 3
    told = capsys.readouterr()
    assert expected in told.err + told.out
    assert 'Traceback' not in told.err


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['suites', 'nuscenes', '--root', '.'], 'choose one of cityscapes_sequences'),
        (['suites', 'camvid'], 'by --root'),
        (['suites', 'camvid', '--root', 'nowhere'], 'holds no test/images'),
        (['suites', 'camvid', '--root', '.', '--split', 'night'], 'one of train, val, test'),
        (['evaluate', 'suite', 'camvid', '--root', '.', '--limit', '0'], 'at least 1 sequence'),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], expected: str, error_of: ErrorOf) -> None:
    assert expected in error_of(*arguments)


def test_images_without_any_labels_are_refused(tmp_path: Path) -> None:
    camvid(tmp_path)
    for path in (tmp_path / 'test' / 'labels').iterdir():
        path.unlink()
    with pytest.raises(UserError, match='has labels; they are looked for'):
        open_suite(SUITES['camvid'], tmp_path, 'test')


def test_a_listing_that_lacks_is_named(tmp_path: Path) -> None:
    kitti_360(tmp_path)
    with pytest.raises(UserError, match=r'drive_train_frames\.txt does not exist'):
        check_suite(SUITES['kitti_360'], tmp_path, 'train')


@pytest.mark.parametrize(
    ('ids', 'expected'),
    [
        (CITYSCAPES_IDS, {7: 'road', 8: 'sidewalk', 11: 'building', 23: 'sky', 26: 'car',
                          33: 'bicycle', 29: None, 0: None}),
        (KITTI_360_IDS, {7: 'road', 34: 'building', 35: 'fence', 37: 'pole', 38: None, 44: None}),
        (APOLLOSCAPE_IDS, {17: 'sky', 33: 'car', 34: 'motorcycle', 37: 'rider', 49: 'road',
                           50: 'sidewalk', 82: 'pole', 113: 'vegetation', 161: None, 65: None}),
    ],
)  # fmt: skip
def test_stored_ids_become_train_ids(
    ids: dict[int, int], expected: dict[int, str | None], tmp_path: Path
) -> None:
    stored = np.array([list(expected)], np.uint8)
    cv2.imwrite(str(tmp_path / 'labels.png'), stored)
    (found,) = read_label_ids(tmp_path / 'labels.png', CITYSCAPES, ids)
    names = [None if one == 255 else CITYSCAPES.classes[one] for one in found]
    assert names == list(expected.values())


def test_an_id_that_the_data_set_lacks_is_refused(tmp_path: Path) -> None:
    write_labels(tmp_path / 'labels.png', 2)
    with pytest.raises(UserError, match='hold the id 2, which this data set does not have'):
        read_label_ids(tmp_path / 'labels.png', CITYSCAPES, APOLLOSCAPE_IDS)


@pytest.mark.skipif(not CAMVID_SHARED.is_dir(), reason='CamVid is not on this machine')
def test_camvid_itself_is_whole() -> None:
    for split in ('train', 'val', 'test'):
        assert check_suite(SUITES['camvid'], CAMVID_SHARED, split).faults == []

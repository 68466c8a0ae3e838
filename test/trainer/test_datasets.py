# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Data sets of the trainer in their published layouts, on generated miniature trees."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.labels import (
    CAMVID,
    CAMVID_32,
    CAMVID_FROM_CAMVID_32,
    CITYSCAPES,
    groups,
    IDD_LITE,
)
from depthforge_trainer.check import check
from depthforge_trainer.classes import Targets
from depthforge_trainer.cli import main
from depthforge_trainer.data import loaders, Source
from depthforge_trainer.datasets import DATASETS
import numpy as np
import numpy.typing as npt
from PIL import Image
import pytest
from support.refusals import ErrorOf, refused
from support.training import configuration

Values = npt.NDArray[np.uint8]
Color = tuple[int, int, int]
Writer = Callable[[Path, Values], None]


def plain_png(path: Path, values: Values) -> None:
    cv2.imwrite(str(path), values)


def palette_png(path: Path, values: Values) -> None:
    image = Image.fromarray(values)
    # Colours that are not their indices, as in the published files.
    image.putpalette([255 - i // 3 for i in range(768)])
    image.save(path)


def red_16bit_png(path: Path, values: Values) -> None:
    pixels = np.zeros((*values.shape, 3), np.uint16)
    pixels[..., 2] = values
    pixels[..., 1] = 7
    cv2.imwrite(str(path), pixels)


def coloured_png(path: Path, values: Values, sidewalk: Color = (0, 0, 192)) -> None:
    colours = [(128, 64, 128), sidewalk, (128, 0, 0), (0, 0, 0)]
    cv2.imwrite(str(path), np.array(colours, np.uint8)[values][..., ::-1])


def cityscapes_png(path: Path, values: Values) -> None:
    colours = [*CITYSCAPES.colors[:3], (0, 0, 0)]
    cv2.imwrite(str(path), np.array(colours, np.uint8)[values][..., ::-1])


ROAD_SIDEWALK_BUILDING = {
    'camvid': ('road', 'pavement', 'building'),
    'camvid_32': ('Road', 'Sidewalk', 'Building'),
    'cityscapes': ('road', 'sidewalk', 'building'),
    'idd_lite': ('drivable', 'non-drivable', 'far object'),
}
LAYOUTS: dict[str, tuple[str, str, str, Writer, tuple[int, ...]]] = {
    # Split, image, labels, their format, the values of road, sidewalk, building, unlabelled.
    'cityscapes': (
        'train', 'leftImg8bit/train/ulm/ulm_1_leftImg8bit.png',
        'gtFine/train/ulm/ulm_1_gtFine_labelIds.png', plain_png, (7, 8, 11, 0),
    ),
    'bdd100k': (
        'val', 'images/10k/val/a.jpg', 'labels/sem_seg/masks/val/a.png', plain_png, (0, 1, 2, 255),
    ),
    'mapillary': (
        'training', 'training/images/a.jpg', 'training/v1.2/labels/a.png', palette_png,
        (13, 15, 17, 65),
    ),
    'acdc': (
        'night/val', 'rgb_anon/night/val/GOPR1/GOPR1_rgb_anon.png',
        'gt/night/val/GOPR1/GOPR1_gt_labelTrainIds.png', plain_png, (0, 1, 2, 255),
    ),
    'gtav': ('', 'images/00001.png', 'labels/00001.png', palette_png, (7, 8, 11, 34)),
    'synthia': ('', 'RGB/0000000.png', 'GT/LABELS/0000000.png', red_16bit_png, (3, 4, 2, 22)),
    'urbansyn': ('', 'rgb/rgb_0001.png', 'ss/ss_0001.png', plain_png, (0, 1, 2, 19)),
    'kitti': (
        '', 'training/image_2/a.png', 'training/semantic/a.png', plain_png, (7, 8, 11, 0),
    ),
    'kitti_semantic': ('', 'images/a.jpg', 'labels/a.png', plain_png, (0, 1, 2, 255)),
    'folder': ('', 'images/a.jpg', 'labels/a.png', plain_png, (0, 1, 2, 255)),
    'bdd10k': ('', 'images/a.jpg', 'labels/a.png', plain_png, (0, 1, 2, 255)),
    'pool': ('', 'images/a.jpg', 'labels/a.png', plain_png, (0, 1, 2, 255)),
    'cityscapes512': (
        'val', 'val/images/a.jpg', 'val/labels/a.png', plain_png, (0, 1, 2, 255),
    ),
    'idd_lite': ('train', 'train/images/a.jpg', 'train/labels/a.png', plain_png, (0, 1, 5, 255)),
    'camvid': ('', 'images/a.jpg', 'labels/a.png', plain_png, (3, 4, 1, 11)),
    'camvid_32': (
        '', '701_StillsRaw_full/a.png', 'LabeledApproved_full/a_L.png', coloured_png,
        (0, 1, 2, 3),
    ),
    'cvat_camvid': (
        '', 'JPEGImages/a.png', 'SegmentationClass/a.png',
        partial(coloured_png, sidewalk=(60, 40, 222)), (0, 1, 2, 3),
    ),
    'cvat_cityscapes': (
        '', 'images/a.png', 'SegmentationClass/a.png', cityscapes_png, (0, 1, 2, 3),
    ),
    'street': ('', 'images/000000.jpg', 'labels/000000.png', plain_png, (3, 4, 1, 255)),
}  # fmt: skip

COLOURED = {'camvid_32', 'cvat_camvid', 'cvat_cityscapes'}


def write(name: str, root: Path) -> str:
    """Write one image of 40 % road, 30 % sidewalk, 20 % building, 10 % without label."""
    split, image, labels, writer, values = LAYOUTS[name]
    for path in (root / image, root / labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / image), np.full((10, 12, 3), 90, np.uint8))
    rows = np.repeat(np.array(values, np.uint8), (4, 3, 2, 1))
    writer(root / labels, np.repeat(rows[:, None], 12, 1))
    return split


def test_every_labelled_data_set_has_a_layout_here() -> None:
    assert DATASETS.keys() - {'images'} == LAYOUTS.keys()


@pytest.mark.parametrize('name', LAYOUTS)
def test_layout_is_found_and_mapped(name: str, tmp_path: Path) -> None:
    split = write(name, tmp_path)
    space = DATASETS[name].space
    names = ROAD_SIDEWALK_BUILDING[space.name]
    findings = check(name, tmp_path, split)
    assert (findings.images, findings.labels, findings.faults) == (1, 1, ())
    found = {cls: count for cls, count in findings.pixels.items() if count}
    assert found == dict(zip(names, (48, 36, 24), strict=True))
    assert findings.unlabelled == 12
    (load,) = loaders(Source(name, str(tmp_path), split=split, count=1))
    assert load.space == space
    assert load().labels[0, 0] == space.classes.index(names[0])


@pytest.mark.parametrize('name', sorted(LAYOUTS.keys() - COLOURED - {'street'}))
def test_values_outside_the_data_set_are_named(name: str, tmp_path: Path) -> None:
    split = write(name, tmp_path)
    _, _, labels, writer, _ = LAYOUTS[name]
    writer(tmp_path / labels, np.full((10, 12), 99, np.uint8))
    (fault,) = check(name, tmp_path, split).faults
    assert 'value 99' in fault
    assert labels in fault


@pytest.mark.parametrize('name', sorted(COLOURED))
def test_colours_outside_the_data_set_are_refused(name: str, tmp_path: Path) -> None:
    write(name, tmp_path)
    labels = tmp_path / LAYOUTS[name][2]
    cv2.imwrite(str(labels), np.full((10, 12, 3), (2, 1, 9), np.uint8))
    (fault,) = check(name, tmp_path).faults
    assert f'{labels.name} holds the colour R,G,B = 9,1,2;' in fault


def test_the_32_classes_of_camvid_are_grouped_into_its_11() -> None:
    groups: dict[str, set[str]] = {}
    for name, train_id in zip(CAMVID_32.classes, CAMVID_FROM_CAMVID_32, strict=False):
        groups.setdefault(CAMVID.classes[train_id], set()).add(name)
    assert groups.keys() == set(CAMVID.classes)
    assert groups['road'] == {'Road', 'LaneMkgsDriv', 'LaneMkgsNonDriv'}
    assert groups['pavement'] == {'Sidewalk', 'ParkingBlock', 'RoadShoulder'}
    assert groups['bicyclist'] == {'Bicyclist', 'MotorcycleScooter'}
    assert groups['building'] == {'Building', 'Archway', 'Bridge', 'Tunnel', 'Wall'}
    # A class that gives its name to a group has its colour.
    for ours, theirs in (('sky', 'Sky'), ('tree', 'Tree'), ('car', 'Car'), ('fence', 'Fence')):
        index = CAMVID.classes.index(ours), CAMVID_32.classes.index(theirs)
        assert CAMVID.colors[index[0]] == CAMVID_32.colors[index[1]]
    assert len(set(CAMVID_32.colors) | {(0, 0, 0)}) == 32


def test_mapped_classes_are_19_each_once_at_least() -> None:
    for name, dataset in DATASETS.items():
        known = set(dataset.mapping.tolist()) - {254, 255}
        expected = set() if name == 'images' else set(range(len(dataset.space)))
        assert known == expected, name


def test_check_command_counts_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write('camvid', tmp_path)
    assert main(['check', 'camvid', '--root', str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert 'images 1, readable labels 1' in printed
    assert 'road             40.00 %' in printed
    assert 'never occurs' in printed
    cv2.imwrite(str(tmp_path / 'images' / 'b.jpg'), np.zeros((10, 12, 3), np.uint8))
    assert main(['check', 'camvid', '--root', str(tmp_path)]) == 2
    assert 'b.png is missing' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['camvid', 'cityscapes', 'acdc', 'camvid_32'])
def test_labels_without_an_image_are_faults(name: str, tmp_path: Path) -> None:
    split = write(name, tmp_path)
    labels = tmp_path / LAYOUTS[name][2]
    end = DATASETS[name].labels[0].rpartition('*')[2]
    # What is published beside the labels is no label file.
    if end != '.png':
        (labels.parent / 'ulm_1_gtFine_color.png').touch()
    alone = labels.with_name(f'alone{end}')
    alone.write_bytes(labels.read_bytes())
    findings = check(name, tmp_path, split)
    assert findings.faults == (f'{alone} has no image',)
    assert findings.labels == 1


@pytest.mark.parametrize('name', LAYOUTS)
def test_labels_of_which_none_has_an_image_are_one_fault(name: str, tmp_path: Path) -> None:
    split = write(name, tmp_path)
    _, image, labels, _, _ = LAYOUTS[name]
    (tmp_path / image).unlink()
    findings = check(name, tmp_path, split)
    folder = (tmp_path / labels).parent
    assert findings.images == 0
    assert findings.faults == (f'{folder} has 1 label files, and none of them has an image',)


def test_a_city_without_images_is_a_fault(tmp_path: Path) -> None:
    split = write('cityscapes', tmp_path)
    (labels,) = (tmp_path / 'gtFine').glob('*/*/*.png')
    for number in range(3):
        other = labels.parents[1] / 'bonn' / f'bonn_{number}_gtFine_labelIds.png'
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(labels.read_bytes())
    (fault,) = check('cityscapes', tmp_path, split).faults
    assert fault.endswith('bonn has 3 label files, and none of them has an image')


@pytest.mark.parametrize('file', ['images/a.jpg', 'labels/a.png'])
def test_files_that_are_cut_short_are_faults(file: str, tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels').mkdir()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (200, 300, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'images' / 'a.jpg'), image)
    cv2.imwrite(str(tmp_path / 'labels' / 'a.png'), image[..., 0] % 11)
    assert check('camvid', tmp_path).faults == ()
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    (fault,) = check('camvid', tmp_path).faults
    assert file in fault
    assert '; replace it' in fault or '; check the file' in fault


def test_two_images_of_one_label_file_are_a_fault(tmp_path: Path) -> None:
    write('camvid', tmp_path)
    (tmp_path / 'images' / 'a.png').write_bytes((tmp_path / 'images' / 'a.jpg').read_bytes())
    (fault,) = check('camvid', tmp_path).faults
    assert 'a.png and a.jpg share' in fault


@pytest.mark.parametrize('name', LAYOUTS)
def test_an_absent_label_and_a_broken_one_are_different_faults(name: str, tmp_path: Path) -> None:
    split = write(name, tmp_path)
    labels = tmp_path / LAYOUTS[name][2]
    labels.write_bytes(b'no image')
    (fault,) = check(name, tmp_path, split).faults
    assert 'cannot be read as an image' in fault
    labels.unlink()
    (fault,) = check(name, tmp_path, split).faults
    assert fault == f'{labels} is missing; add it, or leave out its image'


def test_a_missing_label_file_stops_a_run_in_one_line(tmp_path: Path, error_of: ErrorOf) -> None:
    path = configuration(tmp_path)
    (tmp_path / 'data' / 'labels' / '2.png').unlink()
    line = error_of('fit', path)
    assert '1 label files' in line
    assert '2.png' in line


@pytest.mark.parametrize(
    ('source', 'words'),
    [
        (Source('bdd100k', 'r', split='trian'), ['trian', 'train']),
        (Source('gtav', 'r', split='val'), ["'val'", 'leave it out']),
        (Source('acdc', 'r', split='fog/val'), ['no images', 'fog/val']),
    ],
)
def test_wrong_splits_and_empty_folders_are_refused(source: Source, words: list[str]) -> None:
    with refused(*words):
        loaders(source)


def test_labels_are_classes_or_groups_of_them() -> None:
    spaces = CITYSCAPES, CAMVID, CAMVID_32, IDD_LITE
    targets = Targets(CITYSCAPES, spaces)
    for space in spaces:
        ids = targets.of(np.arange(256, dtype=np.uint8), space)
        for train_id, group in enumerate(groups(CITYSCAPES, space)):
            assert (targets.members[ids[train_id]] if group else ()) == group
        assert (ids[len(space) :] == 255).all()
    # A network of CamVid's classes learns from finer labels too, and from none.
    coarse = Targets(CAMVID, (CAMVID, CITYSCAPES))
    assert coarse.of(np.array([[13]], np.uint8), CITYSCAPES) == CAMVID.classes.index('car')
    assert coarse.of(np.array([[255]], np.uint8), IDD_LITE) == 255


def test_labels_of_classes_that_are_no_groups_are_refused() -> None:
    with pytest.raises(UserError, match='idd_lite are no groups of those of camvid'):
        Targets(CAMVID, (IDD_LITE,))


def test_a_teachers_depth_lies_beside_the_images(tmp_path: Path) -> None:
    write('camvid', tmp_path)
    source = Source('camvid', str(tmp_path), depth=str(tmp_path / 'depth'))
    (load,) = loaders(source)
    for lacking in (None, np.zeros((5, 6), np.uint8)):
        (tmp_path / 'depth').mkdir(exist_ok=True)
        if lacking is not None:
            cv2.imwrite(str(tmp_path / 'depth' / 'a.png'), lacking)
        with pytest.raises(UserError, match=r'a\.png is no 16-bit PNG of one channel'):
            load()
    cv2.imwrite(str(tmp_path / 'depth' / 'a.png'), np.full((5, 6), 13107, np.uint16))
    inverse_depth = load().inverse_depth
    assert inverse_depth is not None
    np.testing.assert_allclose(inverse_depth, np.full((10, 12), 0.2), rtol=1e-6)

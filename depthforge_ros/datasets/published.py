# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Data sets of Cityscapes' classes that differ in folders, names and stored values alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from depthforge_ros.datasets.base import (
    DataSet,
    images_in,
    LABEL_IDS,
    mapping,
    Pair,
    side_by_side,
    TRAIN_IDS,
)
from depthforge_ros.labels import CITYSCAPES as SPACE

Find = Callable[[Path, str], list[Pair]]


def _same_names(images: str, labels: str) -> Find:
    """Pair the files of two folders below the root; {split} stands for the split."""

    def find(root: Path, split: str) -> list[Pair]:
        return side_by_side(root / images.format(split=split), root / labels.format(split=split))

    return find


def _renamed(images: str, labels: str, pattern: str, names: tuple[str, str]) -> Find:
    """Pair the images of a pattern with label files in the same subfolders, part of it renamed."""

    def find(root: Path, split: str) -> list[Pair]:
        folder, other = (root / one.format(split=split) for one in (images, labels))
        return [
            Pair(image, other / image.parent.relative_to(folder) / image.name.replace(*names))
            for image in images_in(folder, pattern)
        ]

    return find


ACDC = DataSet(
    SPACE,
    _renamed(
        'rgb_anon/{split}', 'gt/{split}', '*/*_rgb_anon.png', ('_rgb_anon', '_gt_labelTrainIds')
    ),
    TRAIN_IDS,
    splits=tuple(
        f'{weather}/{part}'
        for weather in ('fog', 'night', 'rain', 'snow')
        for part in ('train', 'val')
    ),
    labels=('gt/{split}/*/*_gt_labelTrainIds.png',),
)
"""arXiv 2104.13395."""
BDD100K = DataSet(
    SPACE,
    _same_names('images/10k/{split}', 'labels/sem_seg/masks/{split}'),
    TRAIN_IDS,
    splits=('train', 'val'),
    labels=('labels/sem_seg/masks/{split}/*.png',),
)
"""arXiv 1805.04687."""
CITYSCAPES = DataSet(
    SPACE,
    _renamed(
        'leftImg8bit/{split}',
        'gtFine/{split}',
        '*/*_leftImg8bit.png',
        ('_leftImg8bit', '_gtFine_labelIds'),
    ),
    LABEL_IDS,
    splits=('train', 'val'),
    labels=('gtFine/{split}/*/*_gtFine_labelIds.png',),
)
"""arXiv 1604.01685."""
GTAV = DataSet(SPACE, _same_names('images', 'labels'), LABEL_IDS)
"""arXiv 1608.02192; palette PNGs."""
KITTI = DataSet(
    SPACE,
    _same_names('training/image_2', 'training/semantic'),
    LABEL_IDS,
    labels=('training/semantic/*.png',),
)
"""Its semantics as published."""
URBANSYN = DataSet(
    SPACE,
    _renamed('rgb', 'ss', 'rgb_*.png', ('rgb_', 'ss_')),
    mapping({index: index for index in range(len(SPACE))}, void=(len(SPACE),)),
    labels=('ss/ss_*.png',),
)
"""arXiv 2312.12176; 19 is unlabelled."""

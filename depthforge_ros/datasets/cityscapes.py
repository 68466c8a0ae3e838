# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes (arXiv 1604.01685): leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY, label ids."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, images_in, LABEL_IDS, Pair
from depthforge_ros.labels import CITYSCAPES as SPACE


def _find(root: Path, split: str) -> list[Pair]:
    pairs = []
    for image in images_in(root / 'leftImg8bit' / split, '*/*_leftImg8bit.png'):
        name = image.name.replace('_leftImg8bit', '_gtFine_labelIds')
        pairs.append(Pair(image, root / 'gtFine' / split / image.parent.name / name))
    return pairs


CITYSCAPES = DataSet(
    SPACE,
    _find,
    LABEL_IDS,
    splits=('train', 'val'),
    labels=('gtFine/{split}/*/*_gtFine_labelIds.png',),
)

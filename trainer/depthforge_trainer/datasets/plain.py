# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""images/ and labels/ of the same names: CamVid's 11 classes, train ids, rendered streets."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.labels import CAMVID as CAMVID_SPACE
from depthforge_ros.labels import CITYSCAPES
from depthforge_ros.labels import IDD_LITE as IDD_LITE_SPACE
from depthforge_trainer.datasets.base import (
    DataSet,
    images_in,
    mapping,
    Pair,
    side_by_side,
    TRAIN_IDS,
)


def _find(root: Path, split: str) -> list[Pair]:
    return side_by_side(root / 'images', root / 'labels')


def _find_in_split(root: Path, split: str) -> list[Pair]:
    return _find(root / split, '')


def _find_unlabelled(root: Path, split: str) -> list[Pair]:
    return [Pair(image, None) for image in images_in(root)]


_CAMVID_IDS = {index: index for index in range(len(CAMVID_SPACE))}
CAMVID = DataSet(CAMVID_SPACE, _find, mapping(_CAMVID_IDS, void=(len(CAMVID_SPACE),)))
"""The root names the split."""
STREET = DataSet(CAMVID_SPACE, _find, mapping(_CAMVID_IDS))
TRAIN_ID_FOLDER = DataSet(CITYSCAPES, _find, TRAIN_IDS)
"""Train ids, 255 where there is no label; of a pool the masks of another network."""
_SPLIT_LABELS = ('{split}/labels/*.png',)
TRAIN_ID_SPLITS = DataSet(
    CITYSCAPES, _find_in_split, TRAIN_IDS, splits=('train', 'val'), labels=_SPLIT_LABELS
)
IDD_LITE = DataSet(
    IDD_LITE_SPACE,
    _find_in_split,
    mapping({index: index for index in range(len(IDD_LITE_SPACE))}),
    splits=('train', 'val'),
    labels=_SPLIT_LABELS,
)
"""IDD Lite (arXiv 1811.10200) as train ids of its seven groups."""
UNLABELLED_IMAGES = DataSet(CAMVID_SPACE, _find_unlabelled, mapping({}), labels=())
"""Without labels any class space does."""

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""images/ and labels/ of the same names: train ids of some label space, by split or not."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.bags.image_files import ignored_ids
from depthforge_ros.datasets.base import DataSet, mapping, Pair, side_by_side
from depthforge_ros.labels import CAMVID as CAMVID_SPACE
from depthforge_ros.labels import CITYSCAPES, LabelSpace
from depthforge_ros.labels import IDD_LITE as IDD_LITE_SPACE

SPLITS = ('train', 'val')


def _find(root: Path, split: str) -> list[Pair]:
    return side_by_side(root / split / 'images', root / split / 'labels')


def folder(space: LabelSpace, splits: tuple[str, ...] = ()) -> DataSet:
    """Make the data set of a folder, or of one for each split, with train ids of a label space."""
    return DataSet(
        space,
        _find,
        mapping({index: index for index in range(len(space))}, void=ignored_ids(space)),
        splits=splits,
        labels=('{split}/labels/*.png',),
    )


CAMVID = folder(CAMVID_SPACE, ('', 'train', 'val', 'test'))
"""CamVid in SegNet's 11 classes (arXiv 1511.00561); the root may be that of a split."""
CITYSCAPES_FOLDER = folder(CITYSCAPES)
"""Of a pool the masks are those of another network."""
CITYSCAPES_SPLITS = folder(CITYSCAPES, SPLITS)
IDD_LITE = folder(IDD_LITE_SPACE, SPLITS)
"""IDD Lite (arXiv 1811.10200) as ids of its seven groups."""

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What CVAT exports as Segmentation mask 1.1, unpacked: SegmentationClass/ in the classes' colours.

The images are those of the export, JPEGImages/, or those of `depthforge mine`, images/. A task
that was made of its cvat_labels.json has our names and colours.
"""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, mapping, Pair, side_by_side
from depthforge_ros.datasets.colors import reader
from depthforge_ros.labels import CAMVID, CITYSCAPES, LabelSpace

IMAGES = ('JPEGImages', 'images')


def _find(root: Path, split: str) -> list[Pair]:
    # An export without its images has an empty folder for them.
    by_folder = (side_by_side(root / one, root / 'SegmentationClass') for one in IMAGES)
    return next(filter(None, by_folder), [])


def _export(space: LabelSpace) -> DataSet:
    return DataSet(
        space,
        _find,
        mapping({index: index for index in range(len(space))}),
        read=reader(space),
        labels=('SegmentationClass/*.png',),
    )


CVAT_CAMVID = _export(CAMVID)
CVAT_CITYSCAPES = _export(CITYSCAPES)

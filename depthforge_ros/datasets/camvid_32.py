# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
CamVid as published: 701_StillsRaw_full/N.png and LabeledApproved_full/N_L.png of 32 colours.

The label space of a run chooses between these and the 11 classes of SegNet.
"""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, images_in, mapping, Pair
from depthforge_ros.datasets.colors import reader
from depthforge_ros.labels import CAMVID_32 as SPACE


def _find(root: Path, split: str) -> list[Pair]:
    labels = root / 'LabeledApproved_full'
    return [
        Pair(image, labels / f'{image.stem}_L.png')
        for image in images_in(root / '701_StillsRaw_full')
    ]


CAMVID_32 = DataSet(
    SPACE,
    _find,
    mapping({i: i for i in range(len(SPACE))}),
    read=reader(SPACE),
    labels=('LabeledApproved_full/*_L.png',),
)

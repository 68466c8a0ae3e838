# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""UrbanSyn (arXiv 2312.12176): rgb/rgb_N.png and ss/ss_N.png, train ids with 19 unlabelled."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, images_in, mapping, Pair
from depthforge_ros.labels import CITYSCAPES


def _find(root: Path, split: str) -> list[Pair]:
    return [
        Pair(image, root / 'ss' / image.name.replace('rgb_', 'ss_'))
        for image in images_in(root / 'rgb', 'rgb_*.png')
    ]


URBANSYN = DataSet(
    CITYSCAPES,
    _find,
    mapping({i: i for i in range(len(CITYSCAPES))}, void=(len(CITYSCAPES),)),
    labels=('ss/ss_*.png',),
)

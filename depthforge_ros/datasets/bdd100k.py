# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""BDD100K (arXiv 1805.04687): images/10k/SPLIT and labels/sem_seg/masks/SPLIT, train ids."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, Pair, side_by_side, TRAIN_IDS
from depthforge_ros.labels import CITYSCAPES


def _find(root: Path, split: str) -> list[Pair]:
    return side_by_side(
        root / 'images' / '10k' / split, root / 'labels' / 'sem_seg' / 'masks' / split
    )


BDD100K = DataSet(
    CITYSCAPES,
    _find,
    TRAIN_IDS,
    splits=('train', 'val'),
    labels=('labels/sem_seg/masks/{split}/*.png',),
)

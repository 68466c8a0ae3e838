# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Mapillary Vistas, labels of version 1.2: SPLIT/images and SPLIT/v1.2/labels (or SPLIT/labels).

Palette PNGs. The mapping to 19 classes is the one that domain generalisation reports (Rein).
"""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, mapping, Pair, side_by_side
from depthforge_ros.labels import CITYSCAPES

_IDS_OF = {
    'road': (7, 8, 10, 13, 14, 23, 24),
    'sidewalk': (2, 9, 11, 15),
    'building': (17,),
    'wall': (6,),
    'fence': (3,),
    'pole': (44, 45, 47),
    'traffic light': (48,),
    'traffic sign': (46, 49, 50),
    'vegetation': (30,),
    'terrain': (29,),
    'sky': (27,),
    'person': (19,),
    'rider': (20, 21, 22),
    'car': (55,),
    'truck': (61,),
    'bus': (54,),
    'train': (58,),
    'motorcycle': (57,),
    'bicycle': (52,),
}
_TRAIN_IDS = {
    stored: CITYSCAPES.classes.index(name) for name, ids in _IDS_OF.items() for stored in ids
}


def _find(root: Path, split: str) -> list[Pair]:
    versioned = root / split / 'v1.2' / 'labels'
    labels = versioned if versioned.is_dir() else root / split / 'labels'
    return side_by_side(root / split / 'images', labels)


MAPILLARY = DataSet(
    CITYSCAPES,
    _find,
    mapping(_TRAIN_IDS, void=[i for i in range(66) if i not in _TRAIN_IDS]),
    splits=('training', 'validation'),
    labels=('{split}/v1.2/labels/*.png', '{split}/labels/*.png'),
)

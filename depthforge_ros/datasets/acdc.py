# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""ACDC (arXiv 2104.13395): rgb_anon/CONDITION/SPLIT/DRIVE and gt/..., train ids."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, images_in, Pair, TRAIN_IDS
from depthforge_ros.labels import CITYSCAPES

CONDITIONS = ('fog', 'night', 'rain', 'snow')


def _find(root: Path, split: str) -> list[Pair]:
    condition, part = split.split('/')
    pairs = []
    for image in images_in(root / 'rgb_anon' / condition / part, '*/*_rgb_anon.png'):
        name = image.name.replace('_rgb_anon', '_gt_labelTrainIds')
        pairs.append(Pair(image, root / 'gt' / condition / part / image.parent.name / name))
    return pairs


ACDC = DataSet(
    CITYSCAPES,
    _find,
    TRAIN_IDS,
    splits=tuple(f'{condition}/{part}' for condition in CONDITIONS for part in ('train', 'val')),
    labels=('gt/{split}/*/*_gt_labelTrainIds.png',),
)

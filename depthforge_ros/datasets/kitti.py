# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""KITTI semantics as published: training/image_2 and training/semantic, label ids."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, LABEL_IDS, Pair, side_by_side
from depthforge_ros.labels import CITYSCAPES


def _find(root: Path, split: str) -> list[Pair]:
    return side_by_side(root / 'training' / 'image_2', root / 'training' / 'semantic')


KITTI = DataSet(CITYSCAPES, _find, LABEL_IDS, labels=('training/semantic/*.png',))

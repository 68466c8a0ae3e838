# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""GTAV (arXiv 1608.02192): images and labels of the same names, palette PNGs of label ids."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.datasets.base import DataSet, LABEL_IDS, Pair, side_by_side
from depthforge_ros.labels import CITYSCAPES


def _find(root: Path, split: str) -> list[Pair]:
    return side_by_side(root / 'images', root / 'labels')


GTAV = DataSet(CITYSCAPES, _find, LABEL_IDS)

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""SYNTHIA-RAND-CITYSCAPES: RGB and GT/LABELS, 16-bit PNGs with the class in the red channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from depthforge_ros.bags.image_files import read_colors
from depthforge_ros.datasets.base import DataSet, mapping, Pair, side_by_side
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CITYSCAPES
import numpy as np
import numpy.typing as npt

_TRAIN_IDS = {
    3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10, 10: 11, 17: 12, 8: 13,
    18: 14, 19: 15, 20: 16, 12: 17, 11: 18,
}  # fmt: skip
"""Parking slots (13), road works (14) and lane marks (22) are left out, as in the literature."""


def _find(root: Path, split: str) -> list[Pair]:
    return side_by_side(root / 'RGB', root / 'GT' / 'LABELS')


def _read(path: Path) -> npt.NDArray[Any]:
    stored = read_colors(path)
    if stored.ndim != 3 or stored.dtype != np.uint16:
        raise UserError(
            f'{path} is {stored.dtype} of shape {stored.shape}; expected a 16-bit PNG of three '
            'channels'
        )
    # OpenCV has red last.
    return stored[..., 2]


SYNTHIA = DataSet(
    CITYSCAPES,
    _find,
    mapping(_TRAIN_IDS, void=(0, 13, 14, 22)),
    read=_read,
    labels=('GT/LABELS/*.png',),
)

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
CamVid as published: 701_StillsRaw_full/N.png and LabeledApproved_full/N_L.png of 32 colours.

They are mapped to the 11 classes of SegNet (arXiv 1511.00561).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID, UNLABELLED
from depthforge_trainer.datasets.base import DataSet, images_in, mapping, Pair
import numpy as np
import numpy.typing as npt

_COLOURS_OF = {
    'sky': [(128, 128, 128)],
    # Archway, bridge, building, tunnel, wall.
    'building': [(192, 0, 128), (0, 128, 64), (128, 0, 0), (64, 0, 64), (64, 192, 0)],
    # Column or pole, traffic cone.
    'pole': [(192, 192, 128), (0, 0, 64)],
    # Road, lane markings of drivers and of others.
    'road': [(128, 64, 128), (128, 0, 192), (192, 0, 64)],
    # Sidewalk, parking block, road shoulder.
    'pavement': [(0, 0, 192), (64, 192, 128), (128, 128, 192)],
    # Tree, other vegetation.
    'tree': [(128, 128, 0), (192, 192, 0)],
    # Sign, other text, traffic light.
    'sign': [(192, 128, 128), (128, 128, 64), (0, 64, 64)],
    'fence': [(64, 64, 128)],
    # Car, pick-up, truck or bus, train, other moving.
    'car': [(64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)],
    # Pedestrian, child, luggage or pram, animal.
    'pedestrian': [(64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)],
    # Bicyclist, motorcycle or scooter.
    'bicyclist': [(0, 128, 192), (192, 0, 192)],
}
_UNKNOWN = 100
"""Stored value of a colour that CamVid does not have."""


def _code(rgb: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """RGB (..., 3) as one number."""
    codes: npt.NDArray[np.int64] = rgb.astype(np.int64) @ np.array([65536, 256, 1])
    return codes


_VALUES = {
    int(_code(np.array(colour))): CAMVID.classes.index(name)
    for name, colours in _COLOURS_OF.items()
    for colour in colours
} | {0: UNLABELLED}


def _read(path: Path) -> npt.NDArray[Any]:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise UserError(f'{path} is missing or cannot be decoded')
    codes, inverse = np.unique(_code(bgr[..., ::-1]), return_inverse=True)
    values = np.array([_VALUES.get(int(code), _UNKNOWN) for code in codes], np.uint8)
    return values[inverse].reshape(bgr.shape[:2])


def _find(root: Path, split: str) -> list[Pair]:
    labels = root / 'LabeledApproved_full'
    return [
        Pair(image, labels / f'{image.stem}_L.png')
        for image in images_in(root / '701_StillsRaw_full')
    ]


CAMVID_32 = DataSet(CAMVID, _find, mapping({i: i for i in range(len(CAMVID))}), read=_read)

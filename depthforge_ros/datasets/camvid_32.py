# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
CamVid as published: 701_StillsRaw_full/N.png and LabeledApproved_full/N_L.png of 32 colours.

The label space of a run chooses between these and the 11 classes of SegNet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.datasets.base import DataSet, images_in, mapping, Pair, read_colors
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID_32 as SPACE
from depthforge_ros.labels import UNLABELLED
import numpy as np
import numpy.typing as npt


def _code(rgb: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """RGB (..., 3) as one number."""
    codes: npt.NDArray[np.int64] = rgb.astype(np.int64) @ np.array([65536, 256, 1])
    return codes


_VALUES = {int(_code(np.array(rgb))): index for index, rgb in enumerate(SPACE.colors)}
_VALUES[0] = UNLABELLED


def _read(path: Path) -> npt.NDArray[Any]:
    bgr = read_colors(path, cv2.IMREAD_COLOR)
    codes, inverse = np.unique(_code(bgr[..., ::-1]), return_inverse=True)
    unknown = [int(code) for code in codes if int(code) not in _VALUES]
    if unknown:
        rgb = ','.join(str(unknown[0] >> shift & 255) for shift in (16, 8, 0))
        raise UserError(
            f"{path} holds the colour R,G,B = {rgb}; expected those of CamVid's 32 classes"
        )
    values = np.array([_VALUES[int(code)] for code in codes], np.uint8)
    return values[inverse].reshape(bgr.shape[:2])


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
    read=_read,
    labels=('LabeledApproved_full/*_L.png',),
)

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Label files in the colours of a label space; black is no class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.bags.image_files import read_colors
from depthforge_ros.errors import UserError
from depthforge_ros.labels import LabelSpace, UNLABELLED
import numpy as np
import numpy.typing as npt


def reader(space: LabelSpace) -> Callable[[Path], npt.NDArray[Any]]:
    """Return what reads ids (H, W) of a file in the space's colours."""
    ids = {int(_code(np.array(rgb))): index for index, rgb in enumerate(space.colors)}
    ids[0] = UNLABELLED

    def read(path: Path) -> npt.NDArray[Any]:
        bgr = read_colors(path, cv2.IMREAD_COLOR)
        codes, inverse = np.unique(_code(bgr[..., ::-1]), return_inverse=True)
        unknown = [int(code) for code in codes if int(code) not in ids]
        if unknown:
            rgb = ','.join(str(unknown[0] >> shift & 255) for shift in (16, 8, 0))
            raise UserError(
                f'{path} holds the colour R,G,B = {rgb}; expected those of the {len(space)} '
                f'classes of {space.name}'
            )
        values = np.array([ids[int(code)] for code in codes], np.uint8)
        return values[inverse].reshape(bgr.shape[:2])

    return read


def _code(rgb: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """RGB (..., 3) as one number."""
    codes: npt.NDArray[np.int64] = rgb.astype(np.int64) @ np.array([65536, 256, 1])
    return codes

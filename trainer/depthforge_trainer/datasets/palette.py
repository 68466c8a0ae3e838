# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Label files whose values are the indices of a palette."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_trainer.datasets.base import require
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError


def read_palette(path: Path) -> npt.NDArray[Any]:
    """Read indices (H, W); OpenCV would give the palette's colours."""
    require(path)
    try:
        with Image.open(path) as image:
            if image.mode not in ('P', 'L'):
                raise UserError(f'{path} is of mode {image.mode}; expected a palette PNG')
            return np.asarray(image)
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f'{path} cannot be decoded ({error}); replace it') from error

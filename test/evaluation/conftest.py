# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests of evaluation share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

SIDE = 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two grey images whose labels are the columns of the null engine, but for the first rows."""
    columns = (np.arange(2 * SIDE) * 11 // (2 * SIDE)).astype(np.uint8)
    labels = np.tile(columns, (SIDE, 1))
    labels[: SIDE // 4] = (labels[: SIDE // 4] + 1) % 11
    for name in ('0', '1'):
        for kind, pixels in (
            ('images', np.full((SIDE, 2 * SIDE, 3), 90, np.uint8)),
            ('labels', labels),
        ):
            (tmp_path / kind).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / kind / f'{name}.png'), pixels)
    return tmp_path

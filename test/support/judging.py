# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`evaluate bag` as tests call it, and the truth that it judges by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.bags.make_bag import START_NS
import numpy as np
from support.bags import HEIGHT, WIDTH
from support.commands import figures_of

NULL_ROAD_SHARE = 100.0 / 11.0
"""The null engine says each of CamVid's 11 classes for as many columns."""
CAMVID_TRUTH = ('--truth-labels', 'camvid')
NULL = ('--engine', 'null', *CAMVID_TRUTH)


def judge(folder: Path, bag: Path, *more: str, code: int = 0) -> dict[str, Any]:
    return figures_of(folder, 'evaluate', 'bag', bag, *more, code=code)


def without_latency(figures: Any) -> Any:
    """Leave out what depends on the machine."""
    if isinstance(figures, dict):
        return {
            key: without_latency(value)
            for key, value in figures.items()
            if 'latenc' not in key and key not in ('throughput_hz', 'pace', 'bag')
        }
    return [without_latency(one) for one in figures] if isinstance(figures, list) else figures


def write_truth_folder(folder: Path, frames: int) -> Path:
    for name in ('labels', 'depth'):
        (folder / name).mkdir(parents=True)
    rows = (2.0 + np.arange(HEIGHT)) * 256.0
    for frame in range(frames):
        name = f'{START_NS + frame * 100_000_000}.png'
        cv2.imwrite(str(folder / 'labels' / name), np.full((HEIGHT, WIDTH), 3, np.uint8))
        depth = np.repeat(rows.astype(np.uint16)[:, None], WIDTH, axis=1)
        cv2.imwrite(str(folder / 'depth' / name), depth)
    return folder

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Draw docs/demo.png: camera, mask and depth at moments of the bundled drive.

`python docs/demo.py` runs the bundled model on them now; run it after every new checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from depthforge_ros.engine import load_engine
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import LabelSpace
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import colorize_depth, overlay
import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
MOMENTS = (3, 21, 43, 64)
"""Frames of the drive: two by day, two at dusk."""
TILE_PX = 320, 160
GAP_PX = 6
PAPER, INK = (246, 246, 246), (32, 36, 44)
LEGEND_ROW_PX = 24
ENTRY_PX = 128
FONT = cv2.FONT_HERSHEY_DUPLEX
Picture = npt.NDArray[np.uint8]
"""RGB uint8 (H, W, 3)."""


def draw(model: str) -> Picture:
    """Return one column per moment, and the classes below."""
    pipeline = Pipeline(load_engine(model))
    space = pipeline.engine.label_space
    paths = sorted((ROOT / 'drive' / 'images').iterdir())
    columns = []
    for moment in MOMENTS:
        rgb = rgb_from_file(paths[moment])
        result, _ = pipeline(rgb)
        rows = (rgb, overlay(rgb, result.labels, space), colorize_depth(result.inverse_depth))
        columns.append(_joined([cv2.resize(row, TILE_PX) for row in rows], axis=0))
    return _joined([_joined(columns, axis=1), _legend(space)], axis=0)


def _joined(parts: list[Picture], *, axis: int) -> Picture:
    shape = list(parts[0].shape)
    shape[axis] = GAP_PX
    gap = np.full(shape, PAPER, np.uint8)
    with_gaps = [piece for part in parts for piece in (part, gap)][:-1]
    return np.concatenate(with_gaps, axis)


def _legend(space: LabelSpace) -> Picture:
    width = len(MOMENTS) * (TILE_PX[0] + GAP_PX) - GAP_PX
    per_row = width // ENTRY_PX
    rows = -(-len(space) // per_row)
    canvas = np.full((rows * LEGEND_ROW_PX, width, 3), PAPER, np.uint8)
    for index, (name, colour) in enumerate(zip(space.classes, space.colors, strict=True)):
        row, column = divmod(index, per_row)
        left, top = 8 + column * ENTRY_PX, row * LEGEND_ROW_PX + 5
        cv2.rectangle(canvas, (left, top), (left + 14, top + 14), colour, cv2.FILLED)
        cv2.putText(canvas, name, (left + 20, top + 12), FONT, 0.42, INK, 1, cv2.LINE_AA)
    return canvas


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='depthforge_tiny', help='name or checkpoint')
    parser.add_argument('--output', type=Path, default=ROOT / 'docs' / 'demo.png')
    args = parser.parse_args()
    picture = cv2.cvtColor(draw(args.model), cv2.COLOR_RGB2BGR)
    args.output.write_bytes(cv2.imencode('.png', picture)[1].tobytes())


if __name__ == '__main__':
    main()

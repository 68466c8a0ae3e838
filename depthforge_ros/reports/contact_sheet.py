# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A picture of a drive: input, overlay and depth of a few moments."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
from depthforge_ros.evaluation.judgement import Moment
from depthforge_ros.labels import LabelSpace
from depthforge_ros.postprocess import colorize_depth, overlay
import numpy as np
import numpy.typing as npt

Canvas = npt.NDArray[np.uint8]
"""RGB uint8 (H, W, 3)."""

COLUMNS = 4
TILE_WIDTH = 440
GAP = 8
MARGIN = 24
LABEL_WIDTH = 96
WIDTH = 2 * MARGIN + LABEL_WIDTH + COLUMNS * (TILE_WIDTH + GAP) - GAP
TITLE_HEIGHT = 72
LEGEND_ENTRY_WIDTH = 170
LEGEND_LINE_HEIGHT = 30
SWATCH = 18
PAPER = (250, 250, 250)
INK = (32, 36, 44)
FONT = cv2.FONT_HERSHEY_DUPLEX
ROWS = ('input', 'overlay', 'depth')
DEPTH_NOTE = 'depth: bright is near'


def contact_sheet(
    title: str, subtitle: str, moments: Sequence[Moment], space: LabelSpace
) -> Canvas:
    """Lay the moments out in blocks of four columns, with stamps and a legend of the classes."""
    parts = [_title(title, subtitle)]
    for start in range(0, len(moments), COLUMNS):
        parts.append(_block(moments[start : start + COLUMNS], space))
    parts.append(_legend(space))
    return np.concatenate(parts)


def stack(sheets: Sequence[Canvas]) -> Canvas:
    """Put sheets under one another."""
    return np.concatenate(sheets)


def _title(title: str, subtitle: str) -> Canvas:
    canvas = _paper(TITLE_HEIGHT)
    _write(canvas, title, x=MARGIN, y=34, scale=0.9)
    _write(canvas, subtitle, x=MARGIN, y=62, scale=0.6)
    return canvas


def _block(moments: Sequence[Moment], space: LabelSpace) -> Canvas:
    tiles = [_tiles(moment, space) for moment in moments]
    height = max(tile.shape[0] for column in tiles for tile in column)
    canvas = _paper(len(ROWS) * (height + GAP) + GAP)
    for row, name in enumerate(ROWS):
        top = GAP + row * (height + GAP)
        _write(canvas, name, x=MARGIN, y=top + height // 2, scale=0.65)
        for index, column in enumerate(tiles):
            left = MARGIN + LABEL_WIDTH + index * (TILE_WIDTH + GAP)
            tile = column[row]
            canvas[top : top + tile.shape[0], left : left + TILE_WIDTH] = tile
    return canvas


def _tiles(moment: Moment, space: LabelSpace) -> tuple[Canvas, Canvas, Canvas]:
    pictures = (
        moment.rgb,
        overlay(moment.rgb, moment.labels, space),
        colorize_depth(moment.inverse_depth),
    )
    height = max(1, round(moment.rgb.shape[0] * TILE_WIDTH / moment.rgb.shape[1]))
    first, second, third = (
        np.array(cv2.resize(one, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
        for one in pictures
    )
    _badge(first, f't = {moment.time_s:.1f} s')
    return first, second, third


def _badge(tile: Canvas, text: str) -> None:
    (width, height), _ = cv2.getTextSize(text, FONT, 0.55, 1)
    cv2.rectangle(tile, (0, 0), (width + 14, height + 14), INK, cv2.FILLED)
    cv2.putText(tile, text, (7, height + 7), FONT, 0.55, PAPER, 1, cv2.LINE_AA)


def _legend(space: LabelSpace) -> Canvas:
    per_line = (WIDTH - 2 * MARGIN) // LEGEND_ENTRY_WIDTH
    entries = len(space) + 2
    lines = -(-entries // per_line)
    canvas = _paper(lines * LEGEND_LINE_HEIGHT + MARGIN)
    for index, (name, color) in enumerate(zip(space.classes, space.colors, strict=True)):
        line, column = divmod(index, per_line)
        left, top = MARGIN + column * LEGEND_ENTRY_WIDTH, GAP + line * LEGEND_LINE_HEIGHT
        cv2.rectangle(canvas, (left, top), (left + SWATCH, top + SWATCH), color, cv2.FILLED)
        _write(canvas, name, x=left + SWATCH + GAP, y=top + 15, scale=0.55)
    line, column = divmod(len(space), per_line)
    if column > per_line - 2:
        line, column = line + 1, 0
    left = MARGIN + column * LEGEND_ENTRY_WIDTH
    _write(canvas, DEPTH_NOTE, x=left, y=GAP + line * LEGEND_LINE_HEIGHT + 15, scale=0.5)
    return canvas


def _paper(height: int) -> Canvas:
    return np.full((height, WIDTH, 3), PAPER, np.uint8)


def _write(canvas: Canvas, text: str, *, x: int, y: int, scale: float) -> None:
    # The font has ASCII only, and OpenCV ends the process on bytes that are no text.
    drawn = text.encode('ascii', 'replace').decode()
    cv2.putText(canvas, drawn, (x, y), FONT, scale, INK, 1, cv2.LINE_AA)

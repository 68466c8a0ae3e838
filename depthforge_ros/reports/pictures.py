# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Pictures of moments for a report, small enough to lie in its page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2
from depthforge_ros.bags.image_files import encoded
from depthforge_ros.evaluation.judgement import Judgement, Moment
from depthforge_ros.postprocess import colorize_depth, overlay
import numpy as np
import numpy.typing as npt

TILE_WIDTH = 400
GAP = 6
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 85)
Picture = npt.NDArray[np.uint8]
"""RGB uint8 (H, W, 3)."""


def jpeg_tag(picture: Picture, alt: str) -> str:
    """Return an <img> with the picture in it."""
    text = base64.b64encode(encoded('.jpg', picture[..., ::-1], JPEG)).decode('ascii')
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{text}">'


def strip(moment: Moment, judgement: Judgement) -> Picture:
    """Put input, mask, ground truth where there is one, and depth beside each other."""
    pictures = [moment.rgb, overlay(moment.rgb, moment.labels, judgement.mask_space)]
    if moment.truth is not None and judgement.truth_space is not None:
        pictures.append(overlay(moment.rgb, moment.truth, judgement.truth_space))
    return _beside([*pictures, colorize_depth(moment.inverse_depth)])


def pair_strip(
    moment: Moment, other: Moment, judgement: Judgement, other_judgement: Judgement
) -> Picture:
    """Put input and the masks of two judgements beside each other."""
    return _beside([
        moment.rgb,
        overlay(moment.rgb, moment.labels, judgement.mask_space),
        overlay(other.rgb, other.labels, other_judgement.mask_space),
    ])  # fmt: skip


def _beside(pictures: Sequence[Picture]) -> Picture:
    height = max(1, round(pictures[0].shape[0] * TILE_WIDTH / pictures[0].shape[1]))
    gap = np.full((height, GAP, 3), 255, np.uint8)
    row: list[Picture] = []
    for picture in pictures:
        small = cv2.resize(picture, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
        row += [np.asarray(small, np.uint8), gap]
    return np.concatenate(row[:-1], axis=1)

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Train ids (Cityscapes' 19) of the ids that data sets store in their label files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from depthforge_ros.bags.image_files import read_ids, read_labels
from depthforge_ros.errors import UserError
from depthforge_ros.labels import LabelSpace, UNLABELLED
import numpy as np
import numpy.typing as npt

CITYSCAPES_IDS: Mapping[int, int] = {
    **dict.fromkeys(range(34), UNLABELLED),
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18, 255: UNLABELLED,
}  # fmt: skip
"""Of `*_gtFine_labelIds.png`, as cityscapesScripts has them (-1 is stored as 255)."""

KITTI_360_IDS: Mapping[int, int] = {
    **CITYSCAPES_IDS,
    **dict.fromkeys(range(34, 45), UNLABELLED),
    34: 2, 35: 4, 37: 5,
}  # fmt: skip
"""As kitti360Scripts has them: Cityscapes', and garage, gate and small pole."""

APOLLOSCAPE_IDS: Mapping[int, int] = {
    **dict.fromkeys((0, 1, 40, 65, 66, 85, 86, 98, 99, 100, 255), UNLABELLED),
    **dict.fromkeys(range(161, 169), UNLABELLED),
    17: 10, 33: 13, 34: 17, 35: 18, 36: 11, 37: 12, 38: 14, 39: 15, 49: 0, 50: 1, 67: 4, 81: 6,
    82: 5, 83: 7, 84: 3, 97: 2, 113: 8,
}  # fmt: skip
"""
Of `*_bin.png`: 17 of the 19 classes, for terrain and train have no id there.

Groups (161 to 168), tricycle, cone, pile, dustbin, billboard, bridge, tunnel and overpass are not
judged.
"""


PIXELS_BY_TRAIN_ID = (
    36.9, 6.1, 22.8, 0.66, 0.88, 1.23, 0.21, 0.55, 15.9, 1.16, 4.0, 1.22, 0.14, 7.0, 0.27, 0.24,
    0.23, 0.1, 0.41,
)  # fmt: skip
"""Percent of Cityscapes' labelled pixels; read as label ids, 7 (road) would be 0.55."""
PIXELS_BY_LABEL_ID = (
    0.3, 4.0, 1.0, 2.0, 1.5, 0.3, 1.4, 33.0, 5.4, 0.6, 0.2, 20.2, 0.58, 0.78, 0.01, 0.29, 0.02,
    1.09, 0.01,
)  # fmt: skip
"""Of Cityscapes' label ids below 19, percent of all pixels."""
LIKELIER = 0.5
"""Mean of the logarithm of how much likelier the pixels are as label ids, to say so."""


def label_ids_warning(pixels_by_id: npt.NDArray[np.int64], space: LabelSpace) -> list[str]:
    """Say of the pixels (256,) of each train id that they look like Cityscapes' label ids."""
    pixels = pixels_by_id[: len(PIXELS_BY_TRAIN_ID)]
    if space.name != 'cityscapes' or not pixels.sum():
        return []
    ratio = np.log(np.divide(PIXELS_BY_LABEL_ID, PIXELS_BY_TRAIN_ID))
    if float(pixels @ ratio) < LIKELIER * pixels.sum():
        return []
    ids = ', '.join(map(str, np.flatnonzero(pixels)))
    return [
        f'the labels (ids {ids}) look like Cityscapes label ids (7 is road), not like train ids '
        '(0 is road); give *_labelTrainIds.png, or the folders of Cityscapes itself'
    ]


def read_label_ids(
    path: Path, space: LabelSpace, ids: Mapping[int, int] | None
) -> npt.NDArray[np.uint8]:
    """Read train ids (H, W) of a label file that stores `ids`; None for train ids themselves."""
    if ids is None:
        return read_labels(path, space)
    stored = read_ids(path)
    unknown = sorted(set(np.unique(stored).tolist()) - ids.keys())
    if unknown:
        raise UserError(
            f'labels {path} hold the id {unknown[0]}, which this data set does not have; give '
            'its own label files, not coloured or converted ones'
        )
    table = np.full(256, UNLABELLED, np.uint8)
    table[list(ids)] = list(ids.values())
    return np.asarray(table[stored], np.uint8)

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Image, label and depth files on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.labels import LabelSpace, UNLABELLED
import numpy as np
import numpy.typing as npt

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
CAMVID_IGNORE = 11
KITTI_DEPTH_UNITS_PER_M = 256.0


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder by name; a folder without any is a UserError."""
    if not folder.is_dir():
        raise UserError(f'image folder {folder} does not exist; check the path')
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise UserError(
            f'folder {folder} holds no images; {" ".join(IMAGE_SUFFIXES)} files are looked for'
        )
    return images


def read_labels(path: Path, space: LabelSpace) -> npt.NDArray[np.uint8]:
    """Read train ids (H, W) of a class image; 255, and CamVid's 11, become 255."""
    labels = _read_unchanged(path)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise UserError(
            f'labels {path} are {labels.dtype} of shape {labels.shape}; an 8-bit image of one '
            'channel with train ids is needed'
        )
    labels[np.isin(labels, ignored_ids(space))] = UNLABELLED
    unknown = np.unique(labels[(labels >= len(space)) & (labels != UNLABELLED)])
    if len(unknown):
        raise UserError(
            f'labels {path} hold the id {unknown[0]}, {space.name} has 0 to {len(space) - 1} and '
            f'{UNLABELLED}; choose the right label space'
        )
    return np.asarray(labels, np.uint8)


def ignored_ids(space: LabelSpace) -> tuple[int, ...]:
    """Return the ids in labels that mean no class."""
    return (CAMVID_IGNORE, UNLABELLED) if space.name == 'camvid' else (UNLABELLED,)


def read_depth_m(path: Path, depth_scale: float | None) -> npt.NDArray[np.float32]:
    """
    Read metres (H, W) from a 16-bit image.

    Without `depth_scale` the values are metres x 256 and 0, no return, becomes NaN. With it they
    are depth_scale / metres and 0, beyond range, becomes +Inf (REP 118).
    """
    stored = _read_unchanged(path)
    if stored.ndim != 2 or stored.dtype != np.uint16:
        raise UserError(
            f'depth {path} is {stored.dtype} of shape {stored.shape}; a 16-bit image of one '
            'channel is needed'
        )
    values = stored.astype(np.float32)
    if depth_scale is None:
        depth_m = np.where(stored > 0, values / KITTI_DEPTH_UNITS_PER_M, np.nan)
    else:
        depth_m = np.where(stored > 0, depth_scale / np.maximum(values, 1.0), np.inf)
    return depth_m.astype(np.float32)


def _read_unchanged(path: Path) -> npt.NDArray[Any]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise UserError(f'{path} cannot be read as an image; check the file')
    return image

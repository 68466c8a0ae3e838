# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a data set is to the trainer: where its files lie, and what their values mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CITYSCAPES, LabelSpace, UNLABELLED
import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')
INVALID = 254
"""Of a mapping: no label file holds this value."""


class Pair(NamedTuple):
    """An image with its label file, which may be missing; None where there are no labels."""

    image: Path
    labels: Path | None


def require(path: Path) -> None:
    """Raise a UserError where a label file is absent."""
    if not path.is_file():
        raise UserError(f'{path} is missing; add it, or leave out its image')


def read_labels(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> npt.NDArray[Any]:
    """Decode a label file, BGR where it has colours."""
    require(path)
    labels = cv2.imread(str(path), flags)
    if labels is None:
        raise UserError(f'{path} cannot be decoded as an image; replace it')
    return np.asarray(labels)


def read_8bit(path: Path) -> npt.NDArray[Any]:
    """Read stored values (H, W) from an 8-bit single-channel PNG."""
    labels = read_labels(path)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise UserError(
            f'{path} is {labels.dtype} of shape {labels.shape}; expected an 8-bit single-channel '
            'PNG'
        )
    return labels


@dataclass(frozen=True)
class DataSet:
    """A published folder layout with the meaning of its label values."""

    space: LabelSpace
    """Of the train ids."""
    find: Callable[[Path, str], list[Pair]]
    """Root and split to the pairs in order."""
    mapping: Labels
    """uint8 (256,): train id of every stored value, INVALID for those that must not occur."""
    splits: tuple[str, ...] = ()
    """Empty where there are none."""
    read: Callable[[Path], npt.NDArray[Any]] = read_8bit
    """Label file to stored values (H, W)."""
    labels: tuple[str, ...] = ('labels/*.png',)
    """Where label files may lie below the root, as patterns with {split}."""

    def pairs(self, root: Path, split: str) -> list[Pair]:
        """Find the files; UserError for an unknown split or an empty one."""
        if split not in (self.splits or ('',)):
            known = ', '.join(self.splits) or 'none: leave it out'
            came = f'split {split!r}' if split else 'no split'
            raise UserError(f'{came} of {root} came; choose one of {known}')
        found = self.find(root, split)
        if not found:
            where = f'split {split} of {root}' if split else str(root)
            raise UserError(
                f'no images in {where}; expected the published folder layout with '
                f'{", ".join(IMAGE_SUFFIXES)} files'
            )
        return found

    def label_files(self, root: Path, split: str) -> list[Path]:
        """List the label files, of the first pattern that any has."""
        for pattern in self.labels:
            files = sorted(root.glob(pattern.format(split=split)))
            if files:
                return files
        return []

    def read_labels(self, path: Path, shape: tuple[int, ...]) -> Labels:
        """Read train ids uint8 (H, W) of an image of that shape."""
        stored = self.read(path)
        if stored.shape != shape:
            raise UserError(
                f'{path} is {stored.shape[1]} x {stored.shape[0]} but its image is '
                f'{shape[1]} x {shape[0]}; they must be equal'
            )
        # Values above 255 are as wrong as those that the mapping refuses.
        train_ids = np.asarray(self.mapping[np.minimum(stored, 255)], np.uint8)
        wrong = (train_ids == INVALID) | (stored > 255)
        if wrong.any():
            allowed = ', '.join(str(value) for value in np.flatnonzero(self.mapping != INVALID))
            raise UserError(f'{path} holds the value {stored[wrong][0]}; expected {allowed}')
        return train_ids


def mapping(train_ids: Mapping[int, int], *, void: Sequence[int] = ()) -> Labels:
    """Map stored values to train ids, `void` and 255 to unlabelled, all others to INVALID."""
    table = np.full(256, INVALID, np.uint8)
    table[[*void, UNLABELLED]] = UNLABELLED
    for stored, train_id in train_ids.items():
        table[stored] = train_id
    return table


def images_in(folder: Path, pattern: str = '*') -> list[Path]:
    """List image files in order."""
    return sorted(p for p in folder.glob(pattern) if p.suffix.lower() in IMAGE_SUFFIXES)


def side_by_side(images: Path, labels: Path) -> list[Pair]:
    """Pair the images of one folder with the PNGs of the same names in another."""
    return [Pair(image, labels / f'{image.stem}.png') for image in images_in(images)]


TRAIN_IDS = mapping({index: index for index in range(len(CITYSCAPES))})
"""Files that hold Cityscapes train ids."""
LABEL_IDS = mapping(
    {
        7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11,
        25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
    },
    void=(*range(7), 9, 10, 14, 15, 16, 18, 29, 30, 34),
)  # fmt: skip
"""Files that hold Cityscapes label ids, as cityscapesScripts numbers them; 34 is GTAV's."""

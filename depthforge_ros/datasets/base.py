# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a data set is: where its files lie, and what the values in its labels mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from depthforge_ros.bags import image_files
from depthforge_ros.bags.image_files import IMAGE_SUFFIXES, read_ids
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CITYSCAPES, LabelSpace, UNLABELLED
import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
INVALID = 254
"""Of a mapping: no label file holds this value."""


class Pair(NamedTuple):
    """An image with its label file, which may be missing; None where there are no labels."""

    image: Path
    labels: Path | None


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
    read: Callable[[Path], npt.NDArray[Any]] = read_ids
    """Label file to stored values (H, W)."""
    labels: tuple[str, ...] = ('labels/*.png',)
    """Where label files may lie below the root, as patterns with {split}."""

    def pairs(self, root: Path, split: str) -> list[Pair]:
        """Find the files; UserError for an unknown split or an empty one."""
        if split not in (self.splits or ('',)):
            given = f'has no split {split!r}' if split else 'needs a split'
            known = ', '.join(one for one in self.splits if one)
            remedy = f'choose one of {known}' if known else 'it has no splits: leave it out'
            raise UserError(f'{root} {given}; {remedy}')
        found = self.find(root, split)
        if not found:
            raise UserError(self._why_empty(root, split))
        return found

    def _why_empty(self, root: Path, split: str) -> str:
        where = f'split {split} of {root}' if split else str(root)
        labels = ' or '.join(one.format(split=split).lstrip('/') for one in self.labels)
        splits = ', '.join(one for one in self.splits if one)
        remedy = f'; or choose a split: {splits}' if splits and not split else ''
        return (
            f'no images in {where}; expected labels {labels} there, and their images '
            f'({" ".join(IMAGE_SUFFIXES)}) where the data set has them{remedy}'
        )

    def label_files(self, root: Path, split: str) -> list[Path]:
        """List the label files, of the first pattern that any has."""
        for pattern in self.labels:
            files = images_in(root, pattern.format(split=split).lstrip('/'))
            if files:
                return files
        return []

    def read_labels(self, path: Path) -> Labels:
        """Read train ids uint8 (H, W)."""
        if not path.is_file():
            raise UserError(f'{path} is missing; add it, or leave out its image')
        stored = self.read(path)
        # Values above 255 are as wrong as those that the mapping refuses.
        train_ids = np.asarray(self.mapping[np.minimum(stored, 255)], np.uint8)
        wrong = (train_ids == INVALID) | (stored > 255)
        if wrong.any():
            allowed = ', '.join(str(value) for value in np.flatnonzero(self.mapping != INVALID))
            raise UserError(
                f'{path} holds the value {stored[wrong][0]}, expected {allowed}; choose the right '
                'data set or label space'
            )
        return train_ids


def mapping(train_ids: Mapping[int, int], *, void: Sequence[int] = ()) -> Labels:
    """Map stored values to train ids, `void` and 255 to unlabelled, all others to INVALID."""
    table = np.full(256, INVALID, np.uint8)
    table[[*void, UNLABELLED]] = UNLABELLED
    for stored, train_id in train_ids.items():
        table[stored] = train_id
    return table


def images_in(folder: Path, pattern: str = '*') -> list[Path]:
    """List image files by name, character by character; caches depend on this order."""
    return sorted(image_files.images_in(folder, pattern))


def side_by_side(images: Path, labels: Path) -> list[Pair]:
    """Pair the images of one folder with the label images of the same names in another."""
    by_stem = {path.stem: path for path in images_in(labels)}
    return [
        Pair(image, by_stem.get(image.stem, labels / f'{image.stem}.png'))
        for image in images_in(images)
    ]


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

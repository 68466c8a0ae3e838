# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Frames that show an error: of each confusion of two classes, and of each class and slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import functools
from typing import Any

import cv2
from depthforge_ros.metrics.slice_table import AT
from depthforge_ros.metrics.slices import FrameSlices, SLICES
import numpy as np
import numpy.typing as npt

KEPT = 3
"""Frames of each error."""
CELLS = ''
"""Of the confusion matrix, in the place of a slice's name."""
WIDTH = 240
"""Of thumbnails, pixels."""
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Exhibit:
    """A small copy of a frame."""

    name: str
    """Stamp in nanoseconds, or path of the image."""
    rgb: npt.NDArray[np.uint8]
    labels: Labels
    """In the classes of the masks."""
    truth: Labels
    """In the classes of the ground truth."""


@dataclass(frozen=True)
class Proof:
    """A frame, and how many of its pixels show the error."""

    pixels: int
    exhibit: Exhibit


@dataclass
class Evidence:
    """Keeps the frames with the most wrong pixels of each kind."""

    classes: Sequence[str]
    _kept: dict[str, list[Proof]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        count = len(self.classes)
        self._least = {CELLS: np.zeros((count, count + 1), np.int64)}

    def add(
        self, found: FrameSlices, exhibit: Callable[[], Exhibit], tags: Sequence[str] = ()
    ) -> None:
        """Look at one frame; `exhibit` is asked for only if the frame is kept."""
        shown = functools.cache(exhibit)
        confused = found.confusion.copy()
        np.fill_diagonal(confused, 0)
        hits, true, false = np.moveaxis(found.slices, -1, 0)
        missed = confused.sum(1) + confused[:, :-1].sum(0)
        self._look(CELLS, confused, shown)
        for where, wrong in zip(
            (*SLICES, *tags), (*(true - hits + false), *[missed] * len(tags)), strict=True
        ):
            self._look(where, np.append(wrong, wrong.sum())[None], shown)

    def confusion(self, true: str, predicted: str) -> list[Proof]:
        """Return the frames in which most pixels of a class were taken for another."""
        return self._kept.get(_confused(true, predicted), [])

    def slice(self, name: str, where: str) -> list[Proof]:
        """Return the frames in which a class, or `miou`, has the most wrong pixels in a slice."""
        return self._kept.get(f'{name}{AT}{where}', [])

    def _look(
        self, where: str, wrong: npt.NDArray[np.int64], shown: Callable[[], Exhibit]
    ) -> None:
        """Keep a frame where it has more wrong pixels than those that are kept."""
        least = self._least.setdefault(where, np.zeros_like(wrong))
        for row, column in np.argwhere(wrong > least).tolist():
            name = (
                _confused(self.classes[row], [*self.classes, 'no class'][column])
                if where == CELLS
                else f'{[*self.classes, "miou"][column]}{AT}{where}'
            )
            kept = self._kept.setdefault(name, [])
            kept.append(Proof(int(wrong[row, column]), shown()))
            kept.sort(key=lambda one: -one.pixels)
            del kept[KEPT:]
            if len(kept) == KEPT:
                least[row, column] = kept[-1].pixels


def small(name: str, rgb: npt.NDArray[np.uint8], labels: Labels, truth: Labels) -> Exhibit:
    """Copy a frame at the width of a thumbnail."""
    size = WIDTH, max(1, round(WIDTH * rgb.shape[0] / rgb.shape[1]))

    def resized(image: npt.NDArray[Any], how: int) -> npt.NDArray[np.uint8]:
        return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)

    nearest = cv2.INTER_NEAREST
    return Exhibit(name, resized(rgb, cv2.INTER_AREA), resized(labels, nearest),
                   resized(truth, nearest))  # fmt: skip


def _confused(true: str, predicted: str) -> str:
    return f'{true} > {predicted}'

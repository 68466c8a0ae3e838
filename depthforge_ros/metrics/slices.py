# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Where a mask is wrong: pixels by distance, by size of their object and by place in the image.

Of each slice and class three numbers add up, from which IoU follows: hits, true pixels and false
positives. A false positive counts where it lies, and at the size of the predicted object.
"""

from __future__ import annotations

from dataclasses import dataclass
import functools
import itertools
from typing import Any

import cv2
from depthforge_ros.metrics.depth import AlignedDepth
import numpy as np
import numpy.typing as npt

BANDS_M = (0.0, 10.0, 20.0, 40.0, 80.0)
SIZES_PX = (0, 100, 1000, 10_000)
"""Least pixels of an object: connected pixels of one class."""
DISTANCES = tuple(f'{near:g}-{far:g}m' for near, far in itertools.pairwise(BANDS_M))
SIZES = ('0-100px', '100-1000px', '1000-10000px', '10000px-')
REGIONS = tuple(f'{row}-{column}' for row in ('top', 'middle', 'bottom')
                for column in ('left', 'centre', 'right'))  # fmt: skip
"""Ninths of the image."""
SLICES = (*DISTANCES, *SIZES, *REGIONS)
"""Names of the slices, in the order in which they are counted."""
COLUMNS = 3
UNIT = 10**6
Labels = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FrameSlices:
    """One frame's counts, in K classes."""

    confusion: Counts
    """(K, K + 1), see `metrics.confusion_matrix`."""
    slices: Counts
    """(S, K, 3): hits, true pixels, false positives, by `SLICES`."""
    sizes: npt.NDArray[np.uint8]
    """(H, W): number of the size of each pixel's true object, 4 where there is none."""
    places: npt.NDArray[np.int32]
    """(H, W): number of the distance band, 4 for none, times 9, plus that of the region."""


def sliced(
    truth: Labels,
    predicted: Labels,
    distance_m: npt.NDArray[np.float32] | None,
    *,
    classes: int,
) -> FrameSlices:
    """
    Count one frame of train ids (H, W), with the distance of its pixels where it is known.

    Pixels without a class in the ground truth do not count, and pixels without a finite distance
    in (0, 80] m are in no band.
    """
    true, said = np.minimum(truth, classes), np.minimum(predicted, classes)
    shape = (len(DISTANCES) + 1, len(REGIONS), classes + 1, classes + 1)
    places = places_of(distance_m, truth.shape)
    index = places * (classes + 1) + true
    joint = _counted(index * (classes + 1) + said, shape)[:, :, :-1]
    by_band, by_region = joint.sum(1)[:-1], joint.sum(0)
    objects, bins = _objects(true)
    sizes = np.take(bins, objects)
    by_size = _by_size(true, said, sizes, classes)
    parts = [columns_of(by_band), by_size, columns_of(by_region)]
    sizes[true == classes] = len(SIZES)
    return FrameSlices(by_region.sum(0), np.concatenate(parts), sizes, places)


def slice_depth(
    aligned: AlignedDepth,
    places: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.uint8] | None,
) -> Counts:
    """
    Count (S, 2) pixels with depth and their relative errors, in millionths.

    `places` are those by the true depth; `sizes` are None without labels.
    """
    relative = aligned.relative_error
    shape = (len(DISTANCES) + 1, len(REGIONS))
    joint = _sums(places[aligned.valid], relative, int(np.prod(shape))).reshape(*shape, 2)
    by_size = np.zeros((len(SIZES), 2), np.int64)
    if sizes is not None:
        by_size = _sums(sizes[aligned.valid], relative, len(SIZES) + 1)[:-1]
    return np.concatenate([joint.sum(1)[:-1], by_size, joint.sum(0)])


def columns_of(confusions: Counts) -> Counts:
    """Turn confusion matrices (S, K, K + 1) into (S, K, 3)."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    false = confusions[:, :, :-1].sum(1) - hits
    return np.stack([hits, confusions.sum(2), false], axis=2)


def _sums(index: npt.NDArray[Any], value: npt.NDArray[np.float64], count: int) -> Counts:
    pixels = np.bincount(index, minlength=count)
    total = np.rint(np.bincount(index, value, minlength=count) * UNIT).astype(np.int64)
    return np.stack([pixels, total], axis=1)


def _counted(index: npt.NDArray[np.int32], shape: tuple[int, ...]) -> Counts:
    return np.bincount(index.ravel(), minlength=int(np.prod(shape))).reshape(shape)


def places_of(
    distance_m: npt.NDArray[np.float32] | None, shape: tuple[int, ...]
) -> npt.NDArray[np.int32]:
    """Find the places of the pixels of a frame, see `FrameSlices.places`."""
    height, width = shape
    regions = _regions(height, width)
    if distance_m is None:
        return regions + len(DISTANCES) * len(REGIONS)
    bands = np.zeros(shape, np.uint8)
    for edge in BANDS_M[1:]:
        bands += distance_m > edge
    bands[~(distance_m > BANDS_M[0])] = len(DISTANCES)
    return regions + bands * np.int32(len(REGIONS))


@functools.lru_cache(maxsize=4)
def _regions(height: int, width: int) -> npt.NDArray[np.int32]:
    rows, columns = (np.arange(size, dtype=np.int32) * 3 // size for size in (height, width))
    return np.asarray(rows[:, None] * 3 + columns, np.int32)


def _by_size(true: Labels, said: Labels, sizes: Labels, classes: int) -> Counts:
    """Count train ids (H, W) in [0, K], where K is no class."""
    shape = (len(SIZES), classes + 1, 2)
    right = true == said
    index = sizes * np.int32(classes + 1) + true
    found = _counted(index * 2 + right, shape)[:, :-1]
    wrong = ~right & (true < classes)
    objects, bins = _objects(said)
    at = bins[objects[wrong]] * np.int32(classes + 1) + said[wrong]
    false = _counted(at, shape[:2])
    return np.stack([found[..., 1], found.sum(2), false[:, :-1]], axis=2)


def _objects(labels: Labels) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Return (H, W) the number of each pixel's object, and the number of each object's size."""
    objects = parted(labels)
    areas = np.bincount(objects.ravel())
    return objects, (np.searchsorted(SIZES_PX, areas, side='right') - 1).astype(np.uint8)


def parted(labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """
    Return (H, W) the numbers, from 1, of the connected parts of one value.

    All values are parted at once: between the pixels of an image of twice the size lie bridges
    where both neighbours are of one value. Bridges that touch at a corner share a pixel, so
    8-connectivity, which OpenCV finds in half the time, parts them as 4-connectivity does.
    """
    height, width = labels.shape
    bridges = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    bridges[::2, ::2] = 1
    bridges[1::2, ::2] = labels[1:] == labels[:-1]
    bridges[::2, 1::2] = labels[:, 1:] == labels[:, :-1]
    _, parts = cv2.connectedComponents(bridges, connectivity=8, ltype=cv2.CV_32S)
    return np.ascontiguousarray(np.asarray(parts, np.int32)[::2, ::2])

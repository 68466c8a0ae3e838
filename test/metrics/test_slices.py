# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Slices of pixels against slow counts, and their table with intervals."""

from __future__ import annotations

import cv2
from depthforge_ros.metrics.accumulators import Accumulators
from depthforge_ros.metrics.bootstrap import bounds, CONFIDENCE, Estimate, estimate
from depthforge_ros.metrics.clips import Clip
from depthforge_ros.metrics.confusion import confusion_matrix
from depthforge_ros.metrics.depth import align_depth
from depthforge_ros.metrics.slice_table import slice_figures, slices_lacking
from depthforge_ros.metrics.slices import (
    DISTANCES,
    parted,
    places_of,
    REGIONS,
    SIZES,
    slice_depth,
    sliced,
    SLICES,
)
import numpy as np
import pytest

CLASSES = ('road', 'sky')


def of(found: np.ndarray, name: str, class_id: int) -> list[int]:
    row: list[int] = found[SLICES.index(name), class_id].tolist()
    return row


def test_counts_are_those_of_the_pixels_of_each_slice() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 255], (30, 45)).astype(np.uint8)
    said = rng.choice([0, 1, 2, 255], (30, 45)).astype(np.uint8)
    distance_m = rng.uniform(-5.0, 100.0, (30, 45)).astype(np.float32)
    distance_m[0], distance_m[1] = np.nan, np.inf
    found = sliced(truth, said, distance_m, classes=3)
    assert np.array_equal(found.confusion, confusion_matrix(truth, said, classes=3))
    rows, columns = np.indices(truth.shape)
    for name in (*DISTANCES, *REGIONS):
        if name in DISTANCES:
            near, far = (float(one) for one in name.removesuffix('m').split('-'))
            inside = (distance_m > near) & (distance_m <= far)
        else:
            row, column = divmod(REGIONS.index(name), 3)
            inside = (rows // 10 == row) & (columns // 15 == column)
        inside &= truth < 3
        for one in range(3):
            true, predicted = inside & (truth == one), inside & (said == one)
            expected = [(true & predicted).sum(), true.sum(), (predicted & ~true).sum()]
            assert of(found.slices, name, one) == expected


def test_objects_are_sliced_by_their_own_size() -> None:
    truth = np.zeros((60, 60), np.uint8)
    truth[2:7, 2:7] = 1  # 25 pixels
    truth[20:40, 20:40] = 1  # 400 pixels, of which the prediction has half
    said = np.zeros_like(truth)
    said[2:7, 2:7] = 1
    said[20:40, 20:30] = 1
    said[50:53, 50:53] = 1  # an object of 9 pixels that is not there
    found = sliced(truth, said, None, classes=2).slices
    assert of(found, '0-100px', 1) == [25, 25, 9]
    assert of(found, '100-1000px', 1) == [200, 400, 0]
    assert of(found, '1000-10000px', 1) == [0, 0, 0]
    # What was missed is a false positive of the road, an object of thousands of pixels.
    assert of(found, '1000-10000px', 0) == [3600 - 425 - 9, 3600 - 425, 200]
    assert found[: len(DISTANCES)].sum() == 0


def test_objects_that_touch_at_corners_are_two() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[:9, :9] = 1
    truth[9:18, 9:18] = 1
    assert of(sliced(truth, truth, None, classes=2).slices, '0-100px', 1) == [162, 162, 0]


def test_objects_are_those_of_four_neighbours() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (40, 50), np.uint8)
    found = parted(labels)
    for one in range(3):
        _, expected = cv2.connectedComponents((labels == one).view(np.uint8), connectivity=4)
        pairs = np.unique(np.stack([found, expected])[:, labels == one], axis=1)
        assert pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


def test_depth_errors_are_counted_by_band() -> None:
    truth_m = np.full((3, 3), 5.0, np.float32)
    truth_m[0] = 50.0
    inverse = (1.0 / truth_m).astype(np.float32)
    inverse[0, 0] /= 2.0
    aligned = align_depth(inverse, truth_m)
    assert aligned is not None
    found = slice_depth(aligned, places_of(truth_m, truth_m.shape), None)
    assert found[SLICES.index('0-10m')].tolist() == [6, 0]
    # 80 m, where predictions are cut, for 50 m.
    pixels, units = found[SLICES.index('40-80m')].tolist()
    assert (pixels, units) == (3, pytest.approx(600_000, abs=2))
    assert found[SLICES.index('10-20m')].tolist() == [0, 0]


def test_bounds_of_many_figures_are_those_of_each() -> None:
    samples = np.random.default_rng(0).normal(size=(50, 2, 3))
    samples[:20, 0, 1], samples[:, 1, 1] = np.nan, np.nan
    found = bounds(samples)
    for place in np.ndindex(2, 3):
        one = samples[(slice(None), *place)]
        low, high = np.nanpercentile(one, CONFIDENCE) if place != (1, 1) else (np.nan, np.nan)
        assert np.array_equal(found[(slice(None), *place)], [low, high], equal_nan=True)
    assert estimate(3.0, samples[:, 1, 1]) == Estimate(3.0, 3.0, 3.0)


def clip(number: int, right: int, tags: list[str], shift: float = 0.5) -> Clip:
    sums = Accumulators.zeros(2, 2)
    truth = np.zeros((10, 10), np.uint8)
    said = truth.copy()
    said.ravel()[right:] = 1
    found = sliced(truth, said, None, classes=2)
    sums.confusion += found.confusion
    sums.slices += found.slices
    sums.add_value('domain_shift', shift)
    return Clip('/camera', number, sums, received=1, time_s=4.0 * number, tags=tags)


def test_whole_clips_are_sliced_by_time_shift_and_tag() -> None:
    clips = [clip(0, 90, []), clip(1, 80, ['night']), clip(2, 30, ['night', 'rain']),
             clip(3, 70, [], 9.0)]  # fmt: skip
    figures = slice_figures(clips, CLASSES)
    found = figures['slices']
    assert found['whole']['per_class']['road'] == 67.5
    assert found['night']['per_class']['road'] == 55.0
    assert found['rain']['per_class']['road'] == 30.0
    assert found['0-10s']['per_class']['road'] == pytest.approx(200.0 / 3.0, abs=0.01)
    assert found['10-20s']['per_class']['road'] == 70.0
    assert found['shift-3-']['clips'] == 1
    low, high = found['night']['intervals']['miou']
    assert low == 30.0
    assert high == 80.0
    # No distance, and of four sizes one.
    assert '0-10m' not in found
    assert len(figures['slices_without_pixels']) == 4 + 3
    sizes = [name for name in SIZES if name not in found]
    assert slices_lacking(figures) == [
        f'no figures of {", ".join(sizes)}: no pixel there has ground truth'
    ]
    (line,) = slices_lacking(figures | {'distances': 'truth'})
    assert '0-10m, 10-20m' in line

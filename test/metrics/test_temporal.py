# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Temporal figures and outlines, against what a pencil gives."""

from __future__ import annotations

import cv2
from depthforge_ros.metrics import boundary
from depthforge_ros.metrics.accumulators import Accumulators
from depthforge_ros.metrics.boundary import boundary_counts, boundary_f
from depthforge_ros.metrics.confusion import mean_iou
from depthforge_ros.metrics.temporal import Tracker, VideoConsistency
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest


def texture(seed: int = 0, height: int = 96, width: int = 160) -> np.ndarray:
    """Draw blobs of a few pixels, which flow can follow: RGB (H, W, 3)."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_video_consistency_counts_steady_pixels_of_steady_truth() -> None:
    # One row of four pixels, eight frames: the truth of pixel 3 changes in frame 4, so three
    # pixels are common; the prediction of pixel 0 changes in frame 6; that of pixel 2 is wrong
    # throughout, and steady.
    consistency = VideoConsistency()
    shares = []
    for frame in range(9):
        truth = np.array([[0, 0, 1, 1 if frame < 4 else 0]], np.uint8)
        predicted = np.array([[1 if frame == 6 else 0, 0, 0, 0]], np.uint8)
        shares.append(consistency.add(truth=truth, predicted=predicted, classes=2))
    assert shares[:7] == [[None, None]] * 7
    assert shares[7] == [pytest.approx(2 / 3), None]
    assert shares[8] == [pytest.approx(2 / 3), None]


def test_pixels_without_truth_are_in_no_window() -> None:
    consistency = VideoConsistency()
    for _ in range(8):
        share = consistency.add(
            truth=np.full((1, 2), 255, np.uint8), predicted=np.zeros((1, 2), np.uint8), classes=2
        )
    assert share == [None, None]


@given(st.integers(0, 2**16))
def test_windows_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random((18, 5, 6)) < 0.05).cumsum(0).astype(np.uint8) % 3
    said = (rng.random((18, 5, 6)) < 0.05).cumsum(0).astype(np.uint8) % 3
    consistency = VideoConsistency()
    for last in range(18):
        shares = consistency.add(truth=truth[last], predicted=said[last], classes=3)
        for share, length in zip(shares, (8, 16), strict=True):
            if last + 1 < length:
                assert share is None
                continue
            window = slice(last + 1 - length, last + 1)
            common = (truth[window] == truth[last]).all(0)
            steady = common & (said[window] == said[last]).all(0)
            expected = steady.sum() / common.sum() if common.any() else None
            assert share == (expected if expected is None else pytest.approx(expected))


def test_labels_that_move_with_the_image_are_consistent() -> None:
    # A camera that pans by three pixels per frame over two classes.
    world, tracker = texture(width=220), Tracker(2)
    ids = np.zeros(world.shape[:2], np.uint8)
    ids[30:70, 60:120] = 1
    depth = np.ones(ids.shape, np.float32)
    for frame in range(9):
        view = np.s_[:, 3 * frame : 3 * frame + 160]
        # All inverse depth doubles in frame 5: the scale jumps, the shape does not.
        scale = np.float32(2.0 if frame >= 5 else 1.0)
        change = tracker.add(world[view], ids[view], scale * depth[view])
        if frame == 0:
            assert change is None
            continue
        assert change is not None
        assert mean_iou(change.flow_confusion) > 0.93
        assert change.flow_confusion.sum() > 0.85 * 96 * 157
        assert change.static < 0.02 * 96 * 160
        assert change.same_depth == 1.0
        assert change.scale_change == pytest.approx(np.log(2.0) if frame == 5 else 0.0)
        # With the frame before last, labels that stand still in the image would be wrong.
        assert (change.consistency[0] is None) == (frame < 7)
    assert change.consistency[0] > 0.95
    assert change.consistency[1] is None


def test_labels_that_stay_behind_are_inconsistent() -> None:
    world, tracker = texture(width=220), Tracker(2)
    ids = np.indices((96, 160)).sum(0) // 8 % 2
    for frame in range(2):
        change = tracker.add(world[:, 4 * frame : 4 * frame + 160], ids.astype(np.uint8), None)
    assert change is not None
    assert mean_iou(change.flow_confusion) < 0.5
    assert change.same_depth is None


def test_flicker_is_the_share_of_static_pixels_that_change() -> None:
    image, tracker = texture(), Tracker(2)
    tracker.add(image, np.zeros((96, 160), np.uint8), None)
    flipped = np.zeros((96, 160), np.uint8)
    flipped[:24] = 1
    change = tracker.add(image, flipped, None)
    assert change is not None
    assert (change.flickering, change.static) == (24 * 160, 96 * 160)
    # Rows: before, all class 0; a quarter is now class 1.
    assert change.flow_confusion.tolist() == [[72 * 160, 24 * 160, 0], [0, 0, 0]]


def test_depth_that_changes_shape_is_seen() -> None:
    image, tracker = texture(), Tracker(2)
    labels = np.zeros((96, 160), np.uint8)
    depth = np.ones((96, 160), np.float32)
    tracker.add(image, labels, depth)
    bent = depth.copy()
    bent[:24] *= 1.1
    change = tracker.add(image, labels, bent)
    assert change is not None
    assert change.same_depth == pytest.approx(0.75)
    assert change.scale_change == 0.0


def test_boundary_f_of_a_shifted_square() -> None:
    # The diagonal of 300 x 400 is 500, so outlines may be 3.75 pixels apart.
    truth = np.zeros((300, 400), np.uint8)
    truth[100:200, 100:200] = 1
    for shift, hits in ((0, 1.0), (3, 1.0), (10, None)):
        counts = boundary_counts(truth, np.roll(truth, shift, axis=1), classes=3)
        # Outlines lie inside their class: 4 x 99 for the square, 4 x 100 around it.
        assert counts[1, [1, 3]].tolist() == [396, 396]
        assert counts[0, [1, 3]].tolist() == [400, 400]
        assert counts[2].tolist() == [0, 0, 0, 0]
        if hits is not None:
            assert boundary_f(counts) == hits
    # Ten pixels aside, of each vertical edge only the corners' neighbourhood is near: rows within
    # 3 pixels of the other outline's horizontal edges, beside the 90 columns of both edges and
    # those 3 pixels beyond them.
    assert 0.40 < boundary_f(counts) < 0.55


def test_boundary_f_by_hand() -> None:
    # Precision 30 / 40, recall 1 / 2: F = 0.6. The second class is only predicted: F = 0.
    counts = np.array([[30, 40, 10, 20], [0, 5, 0, 0], [0, 0, 0, 0]])
    assert boundary_f(counts) == pytest.approx(0.3)
    assert np.isnan(boundary_f(counts[2:]))


def test_outlines_beside_unlabelled_pixels_do_not_count() -> None:
    truth = np.zeros((30, 40), np.uint8)
    truth[:, 20:] = 255
    predicted = np.zeros((30, 40), np.uint8)
    predicted[:, 20:] = 1
    assert boundary_counts(truth, predicted, classes=2).sum() == 0


def test_calibration_by_hand() -> None:
    # Four pixels: two of confidence 1, one of them right; two of confidence 0.2, both right.
    sums = Accumulators.zeros(2, 2)
    levels, right = np.array([255, 255, 51, 51], np.uint8), np.array([1, 0, 1, 1], bool)
    sums.add_confidence(levels, np.zeros(4, np.uint8), right)
    assert sums.calibration[[2, 9]].tolist() == [[2, 2, 102], [2, 1, 510]]
    # (2 x |1 - 0.2| + 2 x |0.5 - 1|) / 4
    assert sums.figures(('a', 'b'))['ece'] == 65.0


@pytest.mark.parametrize('shape', [(20, 30), (300, 500)])
def test_dilating_finds_what_distances_find(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    blocks = rng.choice([0, 1, 2, 255], (shape[0] // 10, shape[1] // 10)).astype(np.uint8)
    truth = np.kron(blocks, np.ones((10, 10), np.uint8))
    said = np.roll(truth, (1, 3), (0, 1))
    found = boundary_counts(truth, said, classes=3)
    monkeypatch.setattr(boundary, 'DILATED', 0.0)
    assert np.array_equal(found, boundary_counts(truth, said, classes=3))
    assert found.any()

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Confidence and entropy against pixel errors, computed by hand and pixel by pixel."""

from __future__ import annotations

from depthforge_ros.metrics.accumulators import Accumulators, total
from depthforge_ros.metrics.uncertainty import (
    auiou,
    aurc,
    auroc,
    confidence_levels,
    fpr95,
    levels,
    quantized,
    risk_coverage,
)
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

PIXELS = st.lists(st.tuples(st.integers(0, 255), st.booleans()), min_size=1, max_size=60)


def counted(pixels: list[tuple[int, bool]]) -> np.ndarray:
    values, right = zip(*pixels, strict=True)
    return levels(np.array(values, np.uint8), np.array(right, bool))


def test_risk_coverage_by_hand() -> None:
    # Two right pixels of confidence 200, then a wrong one of 100.
    counts = counted([(200, True), (200, True), (100, False)])
    assert risk_coverage(counts).tolist() == [[2 / 3, 0.0], [1.0, 1 / 3]]
    # Over the last third the risk is t / (2 + t): its integral is 1 - 2 ln(3 / 2).
    assert aurc(counts) == pytest.approx((1.0 - 2.0 * np.log(1.5)) / 3.0)
    # All tied: the risk is the error rate everywhere.
    assert aurc(counted([(9, True), (9, False)])) == pytest.approx(0.5)
    assert np.isnan(aurc(np.zeros((256, 2), np.int64)))


@given(PIXELS)
def test_auroc_is_the_share_of_pairs_in_order(pixels: list[tuple[int, bool]]) -> None:
    counts = counted(pixels)
    wrong = [value for value, right in pixels if not right]
    right = [value for value, is_right in pixels if is_right]
    found = auroc(counts[:, 0], counts[:, 1])
    if not wrong or not right:
        assert np.isnan(found)
        return
    pairs = [(w > r) + 0.5 * (w == r) for w in wrong for r in right]
    assert found == pytest.approx(float(np.mean(pairs)))


def test_fpr95_takes_in_part_the_level_that_holds_the_95_percent() -> None:
    positive, negative = np.zeros(256, np.int64), np.zeros(256, np.int64)
    positive[[200, 100]] = 90, 10
    negative[[150, 100, 0]] = 20, 20, 60
    # Above 100: 90 % of the positives and 20 % of the negatives; then half of level 100.
    assert fpr95(positive, negative) == pytest.approx(0.2 + 0.5 * 0.2)
    assert np.isnan(fpr95(positive, np.zeros(256, np.int64)))


def test_auiou_punishes_doubt_about_what_is_right() -> None:
    def judged(confidence: int) -> float:
        sums = Accumulators.zeros(2, 2)
        sums.confusion += [[4, 0, 0], [0, 4, 0]]
        said = np.array([0, 1] * 4, np.uint8)
        sums.add_confidence(np.full(8, confidence, np.uint8), said, np.ones(8, bool))
        found = sums.figures(('road', 'sky'))['auiou']
        assert found is not None
        return float(found)

    assert judged(255) == 100.0
    # The thresholds 0, 17, ..., 187 of 16 leave a confidence of 200 in; 204 leaves it out.
    assert judged(200) == pytest.approx(100.0 * 12 / 16)
    assert judged(204) == pytest.approx(100.0 * 13 / 16)


def test_a_wrong_pixel_left_out_as_doubtful_raises_uiou() -> None:
    sums = Accumulators.zeros(2, 2)
    sums.confusion += [[3, 1, 0], [0, 4, 0]]
    said = np.array([0, 0, 0, 1, 1, 1, 1, 1], np.uint8)
    right = np.array([1, 1, 1, 0, 1, 1, 1, 1], bool)
    doubtful = np.where(right, 255, 0).astype(np.uint8)
    sums.add_confidence(doubtful, said, right)
    # Road: 3 of 4, the fourth is a false invalid. Sky: 4 of 4 where the false positive is gone,
    # and 4 of 5 at threshold 0.
    expected = (15 * (3 / 4 + 4 / 4) + (3 / 4 + 4 / 5)) / 16 / 2
    assert sums.figures(('road', 'sky'))['auiou'] == pytest.approx(100.0 * expected, abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_auiou_is_that_of_masks_with_doubtful_pixels_left_out(
    pixels: list[tuple[int, int, int]],
) -> None:
    confidence, said, true = np.array(pixels).T
    found = confidence_levels(
        confidence.astype(np.uint8), said.astype(np.uint8), true == said, classes=3
    )
    scores = []
    for threshold in np.linspace(0, 255, 16):
        valid = confidence >= threshold
        there = {*true, *said[valid]}
        hits = [(valid & (said == one) & (true == one)).sum() for one in there]
        union = [((true == one) | (valid & (said == one))).sum() for one in there]
        scores.append(np.mean(np.divide(hits, union)))
    assert auiou(found.per_class, np.bincount(true, minlength=3)) == pytest.approx(np.mean(scores))


@given(PIXELS, PIXELS)
def test_histograms_merge_exactly(
    first: list[tuple[int, bool]], second: list[tuple[int, bool]]
) -> None:
    def sums_of(pixels: list[tuple[int, bool]]) -> Accumulators:
        sums = Accumulators.zeros(3, 3)
        value, right = (np.array(one) for one in zip(*pixels, strict=True))
        said = (value % 3).astype(np.uint8)
        sums.add_confidence(value.astype(np.uint8), said, right)
        sums.add_entropy(value.astype(np.uint8), right)
        return sums

    merged = total([sums_of(first), sums_of(second)])
    assert merged.to_json() == sums_of(first + second).to_json()


def test_levels_by_class_are_those_of_all() -> None:
    rng = np.random.default_rng(0)
    value, said = rng.integers(0, 256, 500, np.uint8), rng.integers(0, 5, 500, np.uint8)
    right = rng.random(500) < 0.6
    found = confidence_levels(value, said, right, classes=5)
    assert np.array_equal(found.all, levels(value, right))
    assert np.array_equal(found.per_class.sum(0), np.add.reduceat(found.all, range(0, 256, 17)))
    assert quantized(np.array([0.0, 0.5, 1.0, 1.2], np.float32)).tolist() == [0, 128, 255, 255]

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from depthforge_ros.errors import UserError
from depthforge_ros.metrics.confusion import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)
from depthforge_ros.metrics.depth import best_scale, depth_errors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

IDS = hnp.arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 1, 2, 3, 4, 255]))
DEPTHS = hnp.arrays(np.float32, (4, 5), elements=st.floats(1.0, 60.0, width=32))


def test_figures_computed_by_hand() -> None:
    truth = np.array([[0, 0, 0, 1], [1, 255, 255, 1]], np.uint8)
    predicted = np.array([[0, 0, 1, 1], [255, 0, 2, 1]], np.uint8)
    confusion = confusion_matrix(truth, predicted, classes=4)
    # Rows are ground truth; the prediction 255 is in the last column.
    assert confusion.tolist() == [
        [2, 1, 0, 0, 0],
        [0, 2, 0, 0, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    iou = iou_per_class(confusion)
    assert iou[:2].tolist() == [2 / 3, 2 / 4]
    # Class 2 was predicted only where there is no ground truth, class 3 nowhere.
    assert np.isnan(iou[2:]).all()
    assert mean_iou(confusion) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert pixel_accuracy(confusion) == 4 / 6


def test_a_class_that_is_only_predicted_counts_as_zero() -> None:
    truth = np.zeros((1, 4), np.uint8)
    predicted = np.array([[0, 0, 1, 1]], np.uint8)
    assert mean_iou(confusion_matrix(truth, predicted, classes=2)) == pytest.approx(0.25)


def test_nothing_labelled_gives_no_figure() -> None:
    nothing = np.full((2, 2), 255, np.uint8)
    confusion = confusion_matrix(nothing, nothing, classes=3)
    assert np.isnan(mean_iou(confusion))
    assert np.isnan(pixel_accuracy(confusion))


@given(IDS, IDS)
def test_iou_is_that_of_sets(truth: np.ndarray, predicted: np.ndarray) -> None:
    iou = iou_per_class(confusion_matrix(truth, predicted, classes=4))
    labelled = truth < 4
    for index in range(4):
        true, said = (truth == index) & labelled, (predicted == index) & labelled
        union = (true | said).sum()
        expected = (true & said).sum() / union if union else np.nan
        assert iou[index] == pytest.approx(expected, nan_ok=True)


def test_depth_errors_computed_by_hand() -> None:
    truth_m = np.array([[1.0, 2.0, 4.0, np.nan, np.inf, 0.0, 90.0]], np.float32)
    # Twice the inverse depth, but for the third pixel, which is said to be at 2 m.
    inverse = np.array([[2.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0]], np.float32)
    errors = depth_errors(inverse, truth_m)
    assert errors is not None
    assert errors.pixels == 3
    assert errors.absrel == pytest.approx(0.5 / 3.0)
    assert errors.rmse_m == pytest.approx(np.sqrt(4.0 / 3.0))
    assert errors.delta_125 == pytest.approx(2.0 / 3.0)


@given(DEPTHS, st.floats(1e-3, 1e3))
def test_exact_inverse_depth_of_any_scale_has_no_error(truth_m: np.ndarray, scale: float) -> None:
    errors = depth_errors((scale / truth_m).astype(np.float32), truth_m)
    assert errors is not None
    assert errors.absrel < 1e-5
    assert errors.delta_125 == 1.0


@given(DEPTHS, DEPTHS, st.floats(0.1, 10.0))
def test_no_other_scale_has_a_lower_absrel(
    inverse: np.ndarray, truth_m: np.ndarray, factor: float
) -> None:
    def absrel(scale: float) -> float:
        return float(np.mean(np.abs(scale / inverse - truth_m) / truth_m))

    best = best_scale(inverse.ravel(), truth_m.ravel())
    assert absrel(best) <= absrel(best * factor) * (1.0 + 1e-6) + 1e-9


def test_inverse_depth_without_any_content_is_taken_as_far() -> None:
    errors = depth_errors(np.zeros((1, 2), np.float32), np.full((1, 2), 40.0, np.float32))
    assert errors is not None
    assert errors.absrel == pytest.approx(1.0)


def test_depth_without_ground_truth_is_not_judged() -> None:
    assert depth_errors(np.ones((2, 2), np.float32), np.full((2, 2), np.nan, np.float32)) is None


def test_depth_of_another_size_is_refused() -> None:
    with pytest.raises(UserError, match='one camera'):
        depth_errors(np.ones((2, 2), np.float32), np.ones((2, 3), np.float32))

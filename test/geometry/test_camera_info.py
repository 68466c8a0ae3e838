# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.geometry.camera import DISTORTION_LENGTHS, fitted_coefficients
from depthforge_ros.geometry.camera_info import camera_from_message
from hypothesis import given
from hypothesis import strategies as st
import pytest


def info(**fields: Any) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    plain = {
        'width': 64, 'height': 48, 'distortion_model': 'plumb_bob', 'd': [0.0] * 5,
        'k': [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0], 'r': [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
        'p': [50.0, 0.0, 32.0, 0, 0, 50.0, 24.0, 0, 0, 0, 1.0, 0], 'binning_x': 0, 'binning_y': 0,
        'roi': roi,
    }  # fmt: skip
    return SimpleNamespace(**{**plain, **fields})


@pytest.mark.parametrize(
    ('model', 'given_d', 'kept'),
    [
        ('plumb_bob', [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, 0.0, 0.0], (0.1, 0.2, 0.3, 0.4, 0.5)),
        ('none', [], ()),
        ('', [], ()),
        ('none', [0.0] * 5, (0.0,) * 5),
        ('radtan', [0.1, 0.2, 0.3, 0.4], (0.1, 0.2, 0.3, 0.4)),
        ('fisheye', [0.1, 0.2, 0.3, 0.4], (0.1, 0.2, 0.3, 0.4)),
    ],
)
def test_coefficients_are_those_that_the_model_takes(
    model: str, given_d: list[float], kept: tuple[float, ...]
) -> None:
    message = info(distortion_model=model, d=given_d)
    assert camera_from_message(message, width=64, height=48).d == kept


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'d': [0.1] * 8}, '8 distortion coefficients'),
        ({'distortion_model': 'fisheye62'}, 'fisheye62'),
        ({'k': [0.0] * 9}, 'focal lengths'),
    ],
)
def test_what_is_no_calibration_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        camera_from_message(info(**fields), width=64, height=48)


@given(
    model=st.sampled_from(sorted(DISTORTION_LENGTHS)),
    d=st.lists(st.sampled_from([0.0, 0.1]), max_size=16),
)
def test_zeros_at_the_end_change_nothing(model: str, d: list[float]) -> None:
    fitted = fitted_coefficients(d, model)
    size = max(len(fitted), len(d))
    padded = [(*values, *[0.0] * (size - len(values))) for values in (fitted, d)]
    assert padded[0] == padded[1]
    assert len(fitted) <= max(DISTORTION_LENGTHS[model]) or any(
        d[max(DISTORTION_LENGTHS[model]) :]
    )


@given(
    binning=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    roi=st.one_of(
        st.none(),
        st.tuples(st.integers(0, 30), st.integers(0, 20), st.integers(8, 34), st.integers(8, 28)),
    ),
    model=st.sampled_from(['plumb_bob', 'none', 'rational_polynomial', 'equidistant']),
)
def test_roi_and_binning_keep_the_rays(
    binning: tuple[int, int], roi: tuple[int, int, int, int] | None, model: str
) -> None:
    x, y, width, height = roi or (0, 0, 0, 0)
    window = SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height)
    by_x, by_y = max(1, binning[0]), max(1, binning[1])
    size = ((width or 64) // by_x, (height or 48) // by_y)
    message = info(
        roi=window,
        binning_x=binning[0],
        binning_y=binning[1],
        distortion_model=model,
        d=[0.0] * 12,
    )
    camera = camera_from_message(message, width=size[0], height=size[1])
    # The middle of the first bin looks where it looked in the full image.
    column, row = x + (by_x - 1) / 2, y + (by_y - 1) / 2
    assert -camera.k[2] / camera.k[0] == pytest.approx((column - 32.0) / 50.0)
    assert -camera.k[5] / camera.k[4] == pytest.approx((row - 24.0) / 50.0)
    with pytest.raises(UserError, match='publish the one that belongs'):
        camera_from_message(message, width=size[0] + 1, height=size[1])

# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The way to the network and back, for any size that a camera gives."""

from __future__ import annotations

import cv2
from depthforge_ros.engine import load_engine
from depthforge_ros.engine.base import NetworkOutput
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import to_camera
from depthforge_ros.preprocess import Geometry, MAX_ASPECT, Preprocess
from hypothesis import assume, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from support.refusals import refused

SIDES = st.integers(1, 700)
PAIRS = st.tuples(st.integers(1, 70), st.integers(1, 70))


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, fixed=st.booleans())
def test_any_camera_size_goes_in_and_comes_back(height: int, width: int, fixed: bool) -> None:
    preprocess = Preprocess(14, 112, (112, 224) if fixed else None)
    image, geometry = preprocess(np.full((height, width, 3), 7, np.uint8))
    assert image.shape == (geometry.height, geometry.width, 3)
    assert image.shape[0] % 14 == image.shape[1] % 14 == 0
    assert (image == 7).all()
    assert max(image.shape) <= MAX_ASPECT * 112 + 14
    plane = np.zeros((1, *image.shape[:2]), np.float32)
    output = NetworkOutput(plane.astype(np.uint8), plane, plane, plane)
    result = to_camera(output, geometry)
    for answer in (result.labels, result.confidence, result.entropy, result.inverse_depth):
        assert answer.shape == (height, width)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(200, 600), width=st.integers(200, 600), fixed=st.booleans())
def test_a_mark_in_the_image_comes_back_where_it_was(height: int, width: int, fixed: bool) -> None:
    preprocess = Preprocess(14, 224, (224, 448) if fixed else None)
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[height // 2 :, width // 2 :] = 255
    image, geometry = preprocess(rgb)
    plane = (image[None, ..., 0] > 127).astype(np.float32)
    result = to_camera(NetworkOutput(plane.astype(np.uint8), plane, plane, plane), geometry)
    wrong = (result.labels > 0) != (rgb[..., 0] > 127)
    assert wrong.mean() < 0.02


@given(height=SIDES, width=SIDES)
def test_an_engine_compiled_for_a_camera_sees_what_eager_sees(height: int, width: int) -> None:
    assume(max(height, width) <= MAX_ASPECT * min(height, width))
    eager = Preprocess(14, 112).geometry(height, width)
    size = eager.height, eager.width
    assert Preprocess(14, min(size), size).geometry(height, width) == eager


@settings(max_examples=30, deadline=None)
@given(height=st.integers(400, 1300), width=st.integers(400, 2000), seed=st.integers(0, 99))
def test_large_images_shrink_as_by_area(height: int, width: int, seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    rgb = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    image, geometry = Preprocess(14, 112)(rgb)
    size = geometry.width, geometry.height
    by_area = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    assert float(np.abs(image.astype(int) - by_area).mean()) < 1.5


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 160), times=st.sampled_from([1, 2, 8, 16]))
def test_what_was_divided_already_is_seen_as_the_whole(
    height: int, width: int, times: int
) -> None:
    height, width = height * times, width * times
    preprocess = Preprocess(14, 28)
    rgb = np.random.default_rng(times).integers(0, 256, (height, width, 3), np.uint8)
    shrunk = preprocess.shrink(height, width)
    divided = rgb
    for _ in range(shrunk.bit_length() - 1):
        size = divided.shape[1] // 2, divided.shape[0] // 2
        divided = np.asarray(cv2.resize(divided, size, interpolation=cv2.INTER_AREA), np.uint8)
    image, geometry = preprocess(divided, shrunk=shrunk)
    whole, expected = preprocess(rgb)
    assert geometry == expected
    assert shrunk in (1, 2, 4, 8)
    if shrunk > 1:
        np.testing.assert_array_equal(image, whole)


def test_large_even_cameras_are_divided() -> None:
    shrink = Preprocess(14, 252).shrink
    assert [shrink(1280, 1920), shrink(1281, 1920), shrink(720, 960)] == [4, 1, 2]


def test_padding_is_not_shown_to_the_camera() -> None:
    preprocess = Preprocess(14, 224, (224, 448))
    _, geometry = preprocess(np.zeros((300, 300, 3), np.uint8))
    assert (geometry.content_height, geometry.content_width) == (224, 224)
    plane = np.zeros((1, 224, 448), np.float32)
    plane[:, :, 224:] = 1.0
    result = to_camera(NetworkOutput(plane.astype(np.uint8), plane, plane, plane), geometry)
    assert result.labels.max() == 0


@given(small=PAIRS, camera=PAIRS, seed=st.integers(0, 9))
@settings(deadline=None)
def test_labels_are_the_nearest_ones(
    small: tuple[int, int], camera: tuple[int, int], seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, 256, small, np.uint8)
    plane = np.zeros((1, *small), np.float32)
    output = NetworkOutput(labels[None], plane, plane, plane)
    result = to_camera(output, Geometry(*camera, *small, *small))
    expected = cv2.resize(labels, camera[::-1], interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(result.labels, expected.reshape(camera))


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: Preprocess(14, 8), ['8', '14']),
        (lambda: Preprocess(14, 224, (224, 450)), ['450', '448']),
        (lambda: Preprocess(14, 224).geometry(0, 5), ['5 x 0']),
        (lambda: Preprocess(14, 224)(np.zeros((4, 4), np.uint8)), ['(4, 4)', 'uint8']),
        (lambda: Preprocess(14, 224)(np.zeros((4, 4, 3), np.float32)), ['float32']),
    ],
)
def test_wrong_input_is_refused_in_one_line(make: object, words: list[str]) -> None:
    with refused(*words):
        make()  # type: ignore[operator]


def test_pipeline_answers_at_the_camera_resolution_and_times_its_stages() -> None:
    pipeline = Pipeline(load_engine('depthforge_tiny', engine='null'))
    result, timings = pipeline(np.zeros((123, 457, 3), np.uint8))
    assert result.labels.shape == result.inverse_depth.shape == (123, 457)
    assert timings.total_ms == pytest.approx(
        timings.preprocess_ms + timings.inference_ms + timings.postprocess_ms
    )

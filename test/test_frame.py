# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Every encoding, step and byte order against computations that do not use OpenCV."""

from __future__ import annotations

import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.frame import (
    decode,
    LAYOUTS,
    rgb_from_bgr,
    rgb_from_decoded,
    rgb_from_file,
    rgb_from_message,
)
from depthforge_ros.preprocess import Preprocess
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rosbags.typesys import get_typestore, Stores
from support.refusals import refused

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 9)
PADDINGS = st.integers(0, 7)
PACKED = {'rgb8': 'rgb', 'bgr8': 'bgr', 'rgba8': 'rgba', 'bgra8': 'bgra'}
WIDE = {'rgb16': 'rgb', 'bgr16': 'bgr', 'rgba16': 'rgba', 'bgra16': 'bgra'}
BAYER = [name for name in LAYOUTS if name.startswith('bayer')]
PAIRS = {'uyvy': 'uyvy', 'yuv422': 'uyvy', 'yuyv': 'yuyv', 'yuv422_yuy2': 'yuyv'}
YUV_TOLERANCE = 2
"""What fixed-point arithmetic may differ from BT.601 in real numbers."""


def make_message(rows: np.ndarray, encoding: str, *, padding: int = 0, **fields: Any) -> Any:
    """Pack rows of values, each row followed by `padding` bytes of rubbish."""
    packed = rows.reshape(len(rows), -1).view(np.uint8)
    data = np.full((len(rows), packed.shape[1] + padding), 0xA5, np.uint8)
    data[:, : packed.shape[1]] = packed
    given = {'height': len(rows), 'width': rows.shape[1], 'is_bigendian': 0} | fields
    return SimpleNamespace(
        encoding=encoding, step=data.shape[1], data=array.array('B', data.tobytes()), **given
    )


def rgb_from_yuv(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Convert by ITU-R BT.601 with limited range."""
    luma = 1.164383 * (np.maximum(y.astype(float), 16.0) - 16.0)
    u, v = u.astype(float) - 128.0, v.astype(float) - 128.0
    rgb = (luma + 1.596027 * v, luma - 0.391762 * u - 0.812968 * v, luma + 2.017232 * u)
    return np.clip(np.rint(np.stack(rgb, -1)), 0, 255)


@pytest.mark.parametrize('encoding', PACKED)
@given(seed=SEEDS, height=SIDES, width=SIDES, padding=PADDINGS, bigendian=st.booleans())
def test_packed_colours_keep_every_value(
    encoding: str, seed: int, height: int, width: int, padding: int, bigendian: bool
) -> None:
    order = PACKED[encoding]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, len(order)), np.uint8)
    message = make_message(pixels, encoding, padding=padding, is_bigendian=int(bigendian))
    expected = np.stack([pixels[..., order.index(channel)] for channel in 'rgb'], -1)
    np.testing.assert_array_equal(rgb_from_message(message), expected)


@given(seed=SEEDS, height=SIDES, width=SIDES, padding=PADDINGS)
def test_mono8_is_grey(seed: int, height: int, width: int, padding: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    rgb = rgb_from_message(make_message(grey, 'mono8', padding=padding))
    np.testing.assert_array_equal(rgb, np.repeat(grey[..., None], 3, axis=2))


@given(seed=SEEDS, height=SIDES, width=SIDES, padding=PADDINGS, bigendian=st.booleans())
def test_mono16_is_scaled_from_either_byte_order(
    seed: int, height: int, width: int, padding: int, bigendian: bool
) -> None:
    grey = np.random.default_rng(seed).integers(0, 65536, (height, width), np.uint16)
    stored = grey.astype('>u2' if bigendian else '<u2')
    message = make_message(stored, 'mono16', padding=padding, is_bigendian=int(bigendian))
    expected = np.rint(grey.astype(float) * 255.0 / 65535.0)
    np.testing.assert_array_equal(rgb_from_message(message)[..., 0], expected)


@pytest.mark.parametrize('encoding', WIDE)
@given(
    seed=SEEDS, height=SIDES, width=SIDES, padding=PADDINGS, bigendian=st.booleans(),
    white_level=st.sampled_from([1, 1023, 4095, 65535]) | st.integers(1, 65535),
)  # fmt: skip
def test_wide_colours_are_scaled_from_either_byte_order(
    encoding: str, seed: int, height: int, width: int, padding: int, bigendian: bool,
    white_level: int,
) -> None:  # fmt: skip
    order = WIDE[encoding]
    values = np.random.default_rng(seed).integers(0, 65536, (height, width, len(order)), np.uint16)
    stored = values.astype('>u2' if bigendian else '<u2')
    message = make_message(stored, encoding, padding=padding, is_bigendian=int(bigendian))
    rgb = rgb_from_decoded(decode(message, white_level=white_level))
    scaled = np.minimum(values * (255.0 / white_level), 255.0)
    expected = np.stack([scaled[..., order.index(channel)] for channel in 'rgb'], -1)
    np.testing.assert_allclose(rgb, expected, atol=0.51)


@given(bits=st.integers(1, 14), encoding=st.sampled_from(['mono16', 'bayer_rggb16', 'rgb16']))
def test_a_message_of_fewer_bits_is_told_with_its_range(bits: int, encoding: str) -> None:
    peak = 2**bits - 1
    values = np.full((4, 6, 3) if encoding == 'rgb16' else (4, 6), peak, np.uint16)
    dark = decode(make_message(values, encoding))
    assert f'up to {peak}, and 65535 is white' in dark.warning
    assert dark.warning.endswith(f'(--white-level) to {peak}')
    bright = decode(make_message(values, encoding), white_level=peak)
    assert bright.warning == ''
    assert bright.pixels.min() == 255


@pytest.mark.parametrize('encoding', BAYER)
@given(
    color=st.tuples(*[st.integers(0, 255)] * 3),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
    padding=PADDINGS,
    bigendian=st.booleans(),
)
def test_bayer_mosaic_of_one_colour_gives_it_back(
    encoding: str,
    color: tuple[int, int, int],
    height: int,
    width: int,
    padding: int,
    bigendian: bool,
) -> None:
    pattern = encoding.removeprefix('bayer_')[:4]
    tile = np.array([color['rgb'.index(letter)] for letter in pattern]).reshape(2, 2)
    mosaic = np.tile(tile, (5, 5))[:height, :width]
    if encoding.endswith('16'):
        mosaic = (mosaic * 257).astype('>u2' if bigendian else '<u2')
    else:
        mosaic = mosaic.astype(np.uint8)
    message = make_message(mosaic, encoding, padding=padding, is_bigendian=int(bigendian))
    expected = np.broadcast_to(np.array(color, np.uint8), (height, width, 3))
    np.testing.assert_array_equal(rgb_from_message(message), expected)


@pytest.mark.parametrize('encoding', PAIRS)
@given(seed=SEEDS, height=SIDES, pairs=st.integers(1, 5), padding=PADDINGS)
def test_yuv422_follows_bt601(
    encoding: str, seed: int, height: int, pairs: int, padding: int
) -> None:
    order = PAIRS[encoding]
    quads = np.random.default_rng(seed).integers(0, 256, (height, pairs, 4), np.uint8)
    message = make_message(
        quads.reshape(height, pairs * 2, 2), encoding, padding=padding, width=pairs * 2
    )
    first = order.index('y')
    y = quads[..., [first, first + 2]].reshape(height, -1)
    u = np.repeat(quads[..., order.index('u')], 2, axis=1)
    v = np.repeat(quads[..., order.index('v')], 2, axis=1)
    difference = rgb_from_message(message).astype(float) - rgb_from_yuv(y, u, v)
    assert np.abs(difference).max() <= YUV_TOLERANCE


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
@given(seed=SEEDS, rows=st.integers(1, 5), columns=st.integers(1, 5), padding=PADDINGS)
def test_nv12_follows_bt601(
    encoding: str, seed: int, rows: int, columns: int, padding: int
) -> None:
    planes = np.random.default_rng(seed).integers(0, 256, (rows * 3, columns * 2), np.uint8)
    message = make_message(planes, encoding, padding=padding, height=rows * 2)
    y, chroma = planes[: rows * 2], planes[rows * 2 :].reshape(rows, columns, 2)
    u, v = (chroma.repeat(2, axis=0).repeat(2, axis=1)[..., one] for one in (0, 1))
    if encoding == 'nv21':
        u, v = v, u
    difference = rgb_from_message(message).astype(float) - rgb_from_yuv(y, u, v)
    assert np.abs(difference).max() <= YUV_TOLERANCE


def test_rgb8_is_read_in_place() -> None:
    message = make_message(np.zeros((4, 5, 3), np.uint8), 'rgb8', padding=3)
    rgb = rgb_from_message(message)
    message.data[message.step * 2 + 4] = 77
    assert rgb[2, 1, 1] == 77


def test_messages_of_rosbags_are_read() -> None:
    types = get_typestore(Stores.ROS2_JAZZY).types
    header = types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](1, 2), 'camera')
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8)
    message = types['sensor_msgs/msg/Image'](header, 2, 3, 'bgr8', 0, 9, pixels)
    np.testing.assert_array_equal(rgb_from_message(message), pixels.reshape(2, 3, 3)[..., ::-1])
    png = cv2.imencode('.png', pixels.reshape(2, 3, 3))[1].reshape(-1)
    compressed = types['sensor_msgs/msg/CompressedImage'](header, 'png', png)
    np.testing.assert_array_equal(rgb_from_message(compressed), pixels.reshape(2, 3, 3)[..., ::-1])


@given(
    encoding=st.sampled_from([*LAYOUTS, 'rgb9', '']),
    height=st.integers(0, 6),
    width=st.integers(0, 6),
    step=st.integers(0, 30),
    length=st.integers(0, 200),
)
@settings(max_examples=500)
def test_whatever_comes_is_read_or_refused_by_reason(
    encoding: str, height: int, width: int, step: int, length: int
) -> None:
    message = SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=step,
        data=array.array('B', bytes(length)),
    )
    reason = ''
    try:
        rgb = rgb_from_message(message)
    except UserError as error:
        reason = error.reason
    if reason:
        assert reason in {'empty_image', 'bad_length', 'bad_size', 'unknown_encoding'}
    else:
        assert rgb.shape == (height, width, 3)


@pytest.mark.parametrize(
    ('changes', 'reason', 'text'),
    [
        ({'height': 0, 'width': 0}, 'empty_image', '0 x 0'),
        ({'step': 8}, 'bad_length', 'at least 9'),
        ({'step': 10}, 'bad_length', '2 x step'),
        ({'encoding': 'rgb9'}, 'unknown_encoding', "'rgb9'"),
        ({'encoding': 'bayer_rggb8', 'step': 3}, 'bad_size', '3 or more'),
        ({'encoding': 'uyvy'}, 'bad_size', 'an even width;'),
        ({'height': 2**31, 'width': 2**31}, 'too_large', 'max_pixels'),
    ],
)
def test_refusals_say_what_came(changes: dict[str, Any], reason: str, text: str) -> None:
    message = make_message(np.zeros((2, 3, 3), np.uint8), 'rgb8')
    vars(message).update(changes)
    with pytest.raises(UserError, match=text) as refusal:
        rgb_from_message(message)
    assert refusal.value.reason == reason


def test_a_refusal_of_millions_of_characters_is_cut() -> None:
    message = make_message(np.zeros((2, 3, 3), np.uint8), 'rgb8')
    message.encoding = 'x' * 1_000_000
    with pytest.raises(UserError) as refusal:
        rgb_from_message(message)
    assert 500 < len(one_line(refusal.value)) < 1100


@pytest.mark.parametrize('size', [(40, 60), (128, 192), (99, 131)])
def test_colours_that_are_turned_after_the_resize_are_those_turned_before(
    size: tuple[int, int],
) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    answers = []
    for encoding, pixels in (('rgb8', rgb), ('bgr8', rgb[..., ::-1])):
        decoded = decode(make_message(np.ascontiguousarray(pixels), encoding))
        assert decoded.is_bgr == (encoding == 'bgr8')
        image, _ = Preprocess(14, 28)(decoded.pixels)
        answers.append(rgb_from_bgr(image) if decoded.is_bgr else image)
    assert np.array_equal(*answers)


def test_files_are_read_as_rgb(tmp_path: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'frame.png'), rgb[..., ::-1])
    np.testing.assert_array_equal(rgb_from_file(tmp_path / 'frame.png'), rgb)


def test_files_that_are_no_images_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / 'text.png').write_text('no image')
    (tmp_path / 'empty.png').touch()
    for name in ('missing.png', 'text.png', 'empty.png', ''):
        with refused():
            rgb_from_file(tmp_path / name)

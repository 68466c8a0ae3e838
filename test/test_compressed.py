# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG as cameras send them, broken off, padded, and made to harm."""

from __future__ import annotations

import array
import struct
import time
from types import SimpleNamespace
from typing import Any
import zlib

import cv2
from depthforge_ros import frame, headers
from depthforge_ros.errors import UserError
from depthforge_ros.frame import BAYER, decode, rgb_from_bgr, rgb_from_message
from depthforge_ros.headers import _png_header, MAX_SCANS, MAX_SEGMENTS, PNG_CHANNELS, SMALL_PIXELS
from depthforge_ros.resources import share_directory
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

JPEG_END, JPEG_SCAN = b'\xff\xd9', b'\xff\xda'
IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
PROGRESSIVE = cv2.imencode('.jpg', IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


def compressed(data: bytes, form: str = 'jpeg') -> Any:
    return SimpleNamespace(format=form, data=array.array('B', data))


@pytest.mark.parametrize('kind', ['.png', '.jpg'])
def test_compressed_images_are_decoded(kind: str) -> None:
    rgb = np.full((40, 56, 3), (200, 30, 90), np.uint8)
    data = cv2.imencode(kind, rgb[..., ::-1])[1].tobytes()
    difference = rgb_from_message(compressed(data)).astype(int) - rgb
    assert np.abs(difference).max() <= (0 if kind == '.png' else 4)


@pytest.mark.parametrize('shrunk', [1, 2, 4, 8])
def test_of_a_jpeg_only_a_part_is_decoded_where_that_will_do(shrunk: int) -> None:
    street = share_directory() / 'drive' / 'images' / '000000.jpg'
    rgb = cv2.imread(str(street))[:200, :320, ::-1]
    asked = []

    def shrink(height: int, width: int) -> int:
        asked.append((height, width))
        return shrunk

    jpeg = cv2.imencode('.jpg', rgb[..., ::-1])[1].tobytes()
    small = decode(compressed(jpeg), shrink=shrink)
    assert (asked, small.shrunk) == ([(200, 320)], shrunk)
    whole = rgb_from_message(compressed(jpeg))
    size = 320 // shrunk, 200 // shrunk
    by_area = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    assert (small.pixels.shape, small.is_bgr) == (by_area.shape, True)
    assert float(np.abs(rgb_from_bgr(small.pixels).astype(int) - by_area).mean()) < 1.0
    png = compressed(cv2.imencode('.png', rgb)[1].tobytes())
    assert decode(png, shrink=shrink).shrunk == 1


@pytest.mark.parametrize('kind', ['.png', '.jpg'])
def test_compressed_bombs_are_refused_by_their_header(kind: str) -> None:
    data = cv2.imencode(kind, np.zeros((300, 300, 3), np.uint8))[1].tobytes()
    with pytest.raises(UserError, match='300 x 300') as refusal:
        decode(compressed(data), max_pixels=300 * 300 - 1)
    assert refusal.value.reason == 'too_large'


@pytest.mark.parametrize('kind', ['.png', '.jpg'])
@given(data=st.data())
@settings(max_examples=50)
def test_broken_compressed_images_are_refused(kind: str, data: Any) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    whole = cv2.imencode(kind, image)[1].tobytes()
    length = data.draw(st.integers(0, len(whole) - 8))
    with pytest.raises(UserError) as refusal:
        rgb_from_message(compressed(whole[:length]))
    assert refusal.value.reason == ('bad_compressed' if length else 'empty_image')


@given(st.binary(max_size=64))
def test_rubbish_is_never_an_image(rubbish: bytes) -> None:
    for start in (b'', b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'):
        with pytest.raises(UserError):
            rgb_from_message(compressed(start + rubbish))


@pytest.mark.parametrize('marker', [b'\xff\x01', b'\xff\xd0', b'\xff\xd7', b'\xff\x00'])
def test_no_marker_hides_the_size_of_a_jpeg(marker: bytes) -> None:
    jpeg = cv2.imencode('.jpg', np.zeros((300, 400, 3), np.uint8))[1].tobytes()
    first = b'\xff\xfe' + (65000).to_bytes(2, 'big') + bytes(64998)
    # Where a length of 0xfffe after the marker would lead to.
    small = b'\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00'
    second = b'\xff\xfe' + (1000).to_bytes(2, 'big') + (bytes(528) + small).ljust(998, b'\x00')
    data = jpeg[:2] + marker + first + second + jpeg[2:]
    assert data[4 + 0xFFFE :].startswith(small)
    with pytest.raises(UserError, match='400 x 300 pixels;'):
        decode(compressed(data), max_pixels=1000)


def png(size: tuple[int, int], pixels: bytes, *, is_animated: bool = False) -> bytes:
    """Write a grey PNG of (width, height), with these uncompressed pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', checksum)

    header = struct.pack('>IIBBBBB', *size, 8, 0, 0, 0, 0)
    compressor = zlib.compressobj()
    squeezed = compressor.compress(pixels) + compressor.flush()
    parts = [squeezed[at : at + 8192] for at in range(0, len(squeezed), 8192)]
    body = b''.join(chunk(b'IDAT', part) for part in parts)
    extra = chunk(b'acTL', struct.pack('>II', 2, 0)) if is_animated else b''
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + extra + body + chunk(b'IEND', b'')


def test_a_png_of_more_pixels_than_its_header_says_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bomb = png((64, 64), bytes(300 * 2**20))
    assert len(bomb) > SMALL_PIXELS

    def decoded(*_: Any) -> None:
        raise AssertionError('it came to the decoder')

    monkeypatch.setattr(frame, 'pixels_of', decoded)
    begun_s = time.process_time()
    with pytest.raises(UserError, match='more pixels than their header says') as refusal:
        rgb_from_message(compressed(bomb, 'png'))
    assert time.process_time() - begun_s < 0.5
    assert refusal.value.reason == 'bad_compressed'


def test_nothing_is_inflated_of_a_png_that_is_too_large_by_its_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def inflated(*_: Any) -> None:
        raise AssertionError('it was inflated')

    monkeypatch.setattr(headers.zlib, 'decompressobj', inflated)
    bomb = png((2**31 - 1, 2**31 - 1), bytes(300 * 2**20))
    with pytest.raises(UserError) as refusal:
        rgb_from_message(compressed(bomb, 'png'))
    assert refusal.value.reason == 'too_large'


@pytest.mark.parametrize('sides', [(1, 700_000), (700_000, 1), (900, 800)])
def test_large_pngs_are_decoded_by_their_header(sides: tuple[int, int]) -> None:
    width, height = sides
    noise = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    rows = np.pad(noise, ((0, 0), (1, 0))).tobytes()
    whole = png(sides, rows)
    assert len(whole) > SMALL_PIXELS
    np.testing.assert_array_equal(rgb_from_message(compressed(whole, 'png'))[..., 0], noise)


@pytest.mark.parametrize('sides', [(640, 480), (1, 700_000), (700_000, 1)])
@pytest.mark.parametrize('colours', [0, 2, 3, 4, 6])
@pytest.mark.parametrize('depth', [1, 8, 16])
def test_interlaced_pixels_are_not_too_many(
    sides: tuple[int, int], colours: int, depth: int
) -> None:
    width, height = sides
    steps = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    size = 0
    for left, top, right, down in steps:
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            size += rows * (1 + (columns * depth * PNG_CHANNELS[colours] + 7) // 8)
    header = struct.pack('>IIBBBBB', width, height, depth, colours, 0, 0, 1)
    assert size <= _png_header(memoryview(header))[1]


def test_an_animation_is_no_camera_image() -> None:
    with pytest.raises(UserError, match='animation'):
        rgb_from_message(compressed(png((8, 8), bytes(72), is_animated=True), 'png'))
    assert rgb_from_message(compressed(png((8, 8), bytes(72)), 'png')).shape == (8, 8, 3)


def with_thumbnail(jpeg: bytes) -> bytes:
    """Add what EXIF has: a whole JPEG within a segment before the frame header."""
    thumbnail = b'Exif\0\0' + cv2.imencode('.jpg', IMAGE[::8, ::8])[1].tobytes()
    return jpeg[:2] + b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail + jpeg[2:]


def of_scans(count: int) -> bytes:
    """Repeat the last scan of a progressive JPEG."""
    last = PROGRESSIVE[PROGRESSIVE.rindex(JPEG_SCAN) : -2]
    return PROGRESSIVE[:-2] + last * (count - PROGRESSIVE.count(JPEG_SCAN)) + JPEG_END


def test_a_jpeg_of_more_scans_than_encoders_write_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for most in (PROGRESSIVE, with_thumbnail(of_scans(MAX_SCANS))):
        assert rgb_from_message(compressed(most)).shape == IMAGE.shape

    def decoded(*_: Any) -> None:
        raise AssertionError('it came to the decoder')

    monkeypatch.setattr(frame, 'pixels_of', decoded)
    for count in (MAX_SCANS + 1, 3000):
        with pytest.raises(UserError, match='the JPEG has more than 32 scans') as refusal:
            rgb_from_message(compressed(of_scans(count)))
        assert refusal.value.reason == 'bad_compressed'


@pytest.mark.parametrize('kind', ['.png', '.jpg'])
@given(padding=st.binary() | st.sampled_from([b'\0' * 100_000, PROGRESSIVE, PROGRESSIVE[:-9]]))
@settings(max_examples=50)
def test_what_follows_the_end_is_ignored(kind: str, padding: bytes) -> None:
    whole = cv2.imencode(kind, IMAGE)[1].tobytes()
    padded = rgb_from_message(compressed(whole + padding))
    np.testing.assert_array_equal(padded, rgb_from_message(compressed(whole)))


def test_a_jpeg_of_countless_segments_is_refused_at_once() -> None:
    whole = cv2.imencode('.jpg', IMAGE)[1].tobytes()
    data = whole[:2] + b'\xff\x01' * (MAX_SEGMENTS + 1) + whole[2:]
    with pytest.raises(UserError, match='break off') as refusal:
        rgb_from_message(compressed(data))
    assert refusal.value.reason == 'bad_compressed'


@pytest.mark.parametrize('progressive', [0, 1])
@given(data=st.data())
def test_the_end_of_a_thumbnail_makes_no_whole_jpeg(progressive: int, data: Any) -> None:
    encoded = cv2.imencode('.jpg', IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1]
    whole = with_thumbnail(encoded.tobytes())
    assert rgb_from_message(compressed(whole)).shape == IMAGE.shape
    length = data.draw(st.integers(whole.rindex(JPEG_SCAN) + 2, len(whole) - 1))
    padding = data.draw(st.sampled_from([0, 2000]))
    with pytest.raises(UserError, match='break off') as refusal:
        rgb_from_message(compressed(whole[:length] + bytes(padding)))
    assert refusal.value.reason == 'bad_compressed'


@pytest.mark.parametrize('shrunk', [1, 4])
def test_what_decodes_to_another_size_than_its_header_says_is_refused(
    monkeypatch: pytest.MonkeyPatch, shrunk: int
) -> None:
    jpeg = compressed(cv2.imencode('.jpg', np.zeros((41, 57, 3), np.uint8))[1].tobytes())
    size = {1: (41, 57), 4: (11, 15)}[shrunk]
    assert decode(jpeg, shrink=lambda *_: shrunk).pixels.shape[:2] == size
    other = np.zeros((size[0], size[1] + 1, 3), np.uint8)
    monkeypatch.setattr(frame, 'pixels_of', lambda *_: other)
    with pytest.raises(UserError, match='57 x 41 pixels by its header') as refusal:
        decode(jpeg, shrink=lambda *_: shrunk)
    assert refusal.value.reason == 'bad_compressed'


def raw(encoding: str, values: np.ndarray) -> Any:
    return SimpleNamespace(
        encoding=encoding, height=len(values), width=values.shape[1], is_bigendian=0,
        step=values.strides[0], data=array.array('B', values.tobytes()),
    )  # fmt: skip


@pytest.mark.parametrize('encoding', sorted(BAYER))
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    target=st.booleans(),
)
@settings(max_examples=20)
def test_a_compressed_mosaic_is_read_as_the_raw_one(
    encoding: str, seed: int, size: tuple[int, int], target: bool
) -> None:
    kind = np.uint16 if encoding.endswith('16') else np.uint8
    mosaic = np.random.default_rng(seed).integers(0, np.iinfo(kind).max, size, kind)
    png = cv2.imencode('.png', mosaic)[1].tobytes()
    message = compressed(png, f'{encoding}; png compressed {encoding if target else ""}')
    expected = rgb_from_message(raw(encoding, mosaic))
    np.testing.assert_array_equal(rgb_from_message(message), expected)
    assert not decode(message).is_bgr


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'bayer_rggb16'])
def test_a_mosaic_as_jpeg_is_not_shrunk_before_it_has_colours(encoding: str) -> None:
    mosaic = np.tile(np.array([[200, 90], [90, 20]], np.uint8), (24, 32))
    jpeg = cv2.imencode('.jpg', mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    message = compressed(jpeg, f'{encoding}; jpeg compressed {encoding}')
    decoded = decode(message, shrink=lambda *_: 8)
    assert (decoded.shrunk, decoded.pixels.shape) == (1, (48, 64, 3))
    assert np.abs(decoded.pixels.astype(int) - (200, 90, 20)).max() <= 4


@pytest.mark.parametrize(
    ('form', 'values'),
    [
        ('bayer_rggb8; jpeg compressed mono8', IMAGE[..., 0]),
        ('bayer_rggb8; jpeg compressed bgr8', IMAGE),
        ('bayer_rggb8; png compressed ', IMAGE),
        ('bayer_rggb8', IMAGE[..., 0]),
        ('png', IMAGE[..., 0]),
    ],
)
def test_what_is_no_mosaic_is_read_as_it_is(form: str, values: np.ndarray) -> None:
    png = cv2.imencode('.png', values)[1].tobytes()
    expected = np.broadcast_to(values.reshape(48, 64, -1)[..., ::-1], IMAGE.shape)
    np.testing.assert_array_equal(rgb_from_message(compressed(png, form)), expected)


def test_a_compressed_mosaic_needs_the_sides_of_the_raw_one() -> None:
    png = cv2.imencode('.png', IMAGE[:2, :, 0])[1].tobytes()
    with pytest.raises(UserError, match='64 x 2 pixels in bayer_rggb8') as refusal:
        rgb_from_message(compressed(png, 'bayer_rggb8; png compressed '))
    assert refusal.value.reason == 'bad_size'


@pytest.mark.parametrize('form', ['mono16; png compressed ', 'png'])
def test_grey_of_16_bits_is_scaled_as_the_raw_one(form: str) -> None:
    grey = np.arange(0, 65536, 16, np.uint16).reshape(64, 64)
    png = cv2.imencode('.png', grey)[1].tobytes()
    rgb = rgb_from_message(compressed(png, form)).astype(int)
    # OpenCV drops the low byte, where the raw image is rounded.
    assert np.abs(rgb - rgb_from_message(raw('mono16', grey))).max() <= 1

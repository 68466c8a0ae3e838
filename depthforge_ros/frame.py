# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Image message or file -> RGB uint8 (H, W, 3).

Messages are duck-typed, so that those of rclpy and of rosbags both do. They are read here with
numpy and OpenCV rather than with cv_bridge or rosbags-image: both copy, and rosbags-image 0.10
ignores `step` and the chroma rows of nv12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import Any, NamedTuple

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.files import read_bytes, UNREADABLE
from depthforge_ros.headers import bad_compressed, Header, read_header
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

MAX_PIXELS = 4096 * 4096
"""Largest image that is taken unless the caller says otherwise, height x width."""

WHITE_LEVEL = 65535
"""Value of white in images of 16 bits, unless the camera's is another: 4095 of 12 bits."""
DARK = 4
"""An image of 16 bits is warned of whose brightest pixel is below white divided by this."""

JPEG_SHRUNK = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""OpenCV's flag by what the sides are divided by."""


@dataclass(frozen=True)
class Layout:
    """How the pixels of an encoding lie in memory, and how OpenCV turns them into RGB."""

    channels: int
    """Values per pixel and row; 1 for the planes of nv12."""
    to_rgb: int | None
    """OpenCV colour conversion; None where the bytes are RGB already."""
    bytes_per_value: int = 1
    rows_per_two: int = 2
    """Rows of data per two rows of pixels: 3 where half-height chroma rows follow the image."""
    even: bool = False
    """Pairs of pixels share their colour, so that odd sizes do not exist."""
    smallest: int = 1
    """Pixels along a side that the conversion needs at least."""


LAYOUTS: Mapping[str, Layout] = {
    'rgb8': Layout(3, None),
    'bgr8': Layout(3, cv2.COLOR_BGR2RGB),
    'rgba8': Layout(4, cv2.COLOR_RGBA2RGB),
    'bgra8': Layout(4, cv2.COLOR_BGRA2RGB),
    'mono8': Layout(1, cv2.COLOR_GRAY2RGB),
    'rgb16': Layout(3, None, bytes_per_value=2),
    'bgr16': Layout(3, cv2.COLOR_BGR2RGB, bytes_per_value=2),
    'rgba16': Layout(4, cv2.COLOR_RGBA2RGB, bytes_per_value=2),
    'bgra16': Layout(4, cv2.COLOR_BGRA2RGB, bytes_per_value=2),
    'mono16': Layout(1, cv2.COLOR_GRAY2RGB, bytes_per_value=2),
    # OpenCV names a pattern after its second row and column, ROS after the first.
    'bayer_rggb8': Layout(1, cv2.COLOR_BayerBG2RGB, smallest=3),
    'bayer_bggr8': Layout(1, cv2.COLOR_BayerRG2RGB, smallest=3),
    'bayer_gbrg8': Layout(1, cv2.COLOR_BayerGR2RGB, smallest=3),
    'bayer_grbg8': Layout(1, cv2.COLOR_BayerGB2RGB, smallest=3),
    'bayer_rggb16': Layout(1, cv2.COLOR_BayerBG2RGB, smallest=3, bytes_per_value=2),
    'bayer_bggr16': Layout(1, cv2.COLOR_BayerRG2RGB, smallest=3, bytes_per_value=2),
    'bayer_gbrg16': Layout(1, cv2.COLOR_BayerGR2RGB, smallest=3, bytes_per_value=2),
    'bayer_grbg16': Layout(1, cv2.COLOR_BayerGB2RGB, smallest=3, bytes_per_value=2),
    'uyvy': Layout(2, cv2.COLOR_YUV2RGB_UYVY, even=True),
    'yuv422': Layout(2, cv2.COLOR_YUV2RGB_UYVY, even=True),
    'yuyv': Layout(2, cv2.COLOR_YUV2RGB_YUYV, even=True),
    'yuv422_yuy2': Layout(2, cv2.COLOR_YUV2RGB_YUYV, even=True),
    'nv12': Layout(1, cv2.COLOR_YUV2RGB_NV12, rows_per_two=3, even=True),
    'nv21': Layout(1, cv2.COLOR_YUV2RGB_NV21, rows_per_two=3, even=True),
}
BAYER = frozenset(name for name in LAYOUTS if name.startswith('bayer_'))


class Decoded(NamedTuple):
    """The pixels of a message, perhaps fewer than the camera's."""

    pixels: npt.NDArray[np.uint8]
    """(H / shrunk, W / shrunk, 3)."""
    shrunk: int
    is_bgr: bool
    """Whether the colours come in that order: turning those of the whole image is dear."""
    warning: str = ''
    """What is to be told once: of 16 bits only the lower ones are used."""


@dataclass
class Reading:
    """How a command reads images of 16 bits, and whether it warned of one."""

    white_level: int = WHITE_LEVEL
    has_warned: bool = False

    def warn(self, warning: str) -> None:
        """Print the first warning, above a progress bar."""
        if warning and not self.has_warned:
            self.has_warned = True
            tqdm.write(f'depthforge: warning: {warning}', file=sys.stderr)


reading = Reading()
"""That of the command that runs; the node has a parameter."""


def stamp_ns(header: Any) -> int:
    """Return the stamp of a message's header, nanoseconds."""
    return int(header.stamp.sec) * 10**9 + int(header.stamp.nanosec)


def rgb_from_message(message: Any) -> npt.NDArray[np.uint8]:
    """Read a message as `decode` does, at its full size and in RGB, for a command."""
    decoded = decode(message, white_level=reading.white_level)
    reading.warn(decoded.warning)
    return rgb_from_decoded(decoded)


def rgb_from_decoded(decoded: Decoded) -> npt.NDArray[np.uint8]:
    """Return the pixels in RGB."""
    return rgb_from_bgr(decoded.pixels) if decoded.is_bgr else decoded.pixels


def rgb_from_bgr(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Swap red and blue of (H, W, 3)."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def decode(
    message: Any,
    *,
    max_pixels: int = MAX_PIXELS,
    shrink: Callable[[int, int], int] | None = None,
    white_level: int = WHITE_LEVEL,
) -> Decoded:
    """
    Read a sensor_msgs Image or CompressedImage, of rclpy or of rosbags.

    An image in rgb8 or bgr8 is returned as a view of the message's own bytes, rows `step` apart;
    all others are converted. `shrink` says of height and width by what they may be divided, 1, 2,
    4 or 8: of a JPEG only a part is then decoded, in half the time and less. A compressed mosaic,
    as its `format` says, becomes what the raw one would. Of 16 bits `white_level` and all above
    it become 255. What cannot be read raises UserError with one of the reasons `empty_image`,
    `bad_length`, `bad_size`, `unknown_encoding`, `bad_compressed`, `too_large`.
    """
    if hasattr(message, 'format'):
        return _decode_compressed(message, max_pixels, shrink, white_level)
    layout = LAYOUTS.get(message.encoding)
    if layout is None:
        raise UserError(
            f'the image has encoding {message.encoding!r}; known are {", ".join(LAYOUTS)}',
            reason='unknown_encoding',
        )
    _check_size(height=message.height, width=message.width, max_pixels=max_pixels)
    pixels, warning = _of_8_bits(_pixels(message, layout), white_level)
    is_bgr = layout.to_rgb == cv2.COLOR_BGR2RGB
    return Decoded(pixels if is_bgr else _to_rgb(pixels, layout), 1, is_bgr, warning)


def rgb_from_file(path: Path | str) -> npt.NDArray[np.uint8]:
    """Read an image file of any kind that OpenCV knows, turned upright as its EXIF says."""
    data = read_bytes(path)
    bgr = pixels_of(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if bgr is None:
        bgr = pixels_of(data, cv2.IMREAD_UNCHANGED)
    if bgr is None:
        raise UserError(
            f'{path} is not an image that OpenCV can read; give a JPEG or PNG file',
            reason=UNREADABLE,
        )
    if bgr.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f'{path} holds values of {bgr.dtype}, not of 8 or 16 bits; give an image of those, '
            'such as PNG',
            reason=UNREADABLE,
        )
    pixels, warning = _of_8_bits(bgr, reading.white_level)
    reading.warn(f'{path}: {warning}' if warning else '')
    return rgb_from_bgr(pixels)


def _of_8_bits(pixels: npt.NDArray[Any], white_level: int) -> tuple[npt.NDArray[np.uint8], str]:
    """Scale 16 bits so that white becomes 255; returns a warning too, of a dark image."""
    if pixels.dtype.itemsize < 2:
        return pixels, ''
    shape = pixels.shape
    native = np.ascontiguousarray(pixels, np.uint16).reshape(shape[0], -1)
    scaled = np.asarray(cv2.convertScaleAbs(native, alpha=255.0 / white_level), np.uint8)
    peak = int(native.max())
    warning = (
        f'an image of 16 bits is dark: its values go up to {peak}, and {white_level} is white; if '
        f'the camera gives {peak.bit_length()} bits, set white_level (--white-level) to '
        f'{2 ** peak.bit_length() - 1}'
    )
    return scaled.reshape(shape), warning if 0 < peak <= white_level // DARK else ''


def _check_size(*, height: int, width: int, max_pixels: int) -> None:
    if height < 1 or width < 1:
        raise UserError(
            f'the image has {width} x {height} pixels; at least 1 x 1 is needed; check the '
            'camera driver',
            reason='empty_image',
        )
    if height * width > max_pixels:
        raise UserError(
            f'the image has {width} x {height} pixels; at most {max_pixels} pixels are taken; '
            'raise max_pixels if the camera is really that large',
            reason='too_large',
        )


def _check_sides(encoding: str, *, height: int, width: int) -> None:
    layout = LAYOUTS[encoding]
    odd = width % 2 or (layout.rows_per_two == 3 and height % 2)
    if (layout.even and odd) or min(height, width) < layout.smallest:
        even = 'an even width and height' if layout.rows_per_two == 3 else 'an even width'
        raise UserError(
            f'the image has {width} x {height} pixels in {encoding}, which needs '
            f'{even if layout.even else f"sides of {layout.smallest} or more"}; check the camera '
            'driver',
            reason='bad_size',
        )


def _pixels(message: Any, layout: Layout) -> npt.NDArray[Any]:
    """View the bytes as (rows, width, channels), or (rows, width) for a single channel."""
    height, width, step = message.height, message.width, message.step
    _check_sides(message.encoding, height=height, width=width)
    rows = height * layout.rows_per_two // 2
    size = layout.channels * layout.bytes_per_value
    given = len(message.data)
    if step < width * size or given != rows * step:
        raise UserError(
            f'the image has {given} bytes of data in rows of {step} for {width} x {height} '
            f'pixels in {message.encoding}; step must be at least {width * size} and the data '
            f'{rows} x step; check the camera driver',
            reason='bad_length',
        )
    per_pixel = (layout.channels,) if layout.channels > 1 else ()
    pixels: npt.NDArray[Any] = np.ndarray(
        (rows, width, *per_pixel),
        np.dtype(f'{">" if message.is_bigendian else "<"}u{layout.bytes_per_value}'),
        np.frombuffer(message.data, np.uint8),
        strides=(step, size, layout.bytes_per_value)[: 2 + len(per_pixel)],
    )
    return pixels


def _to_rgb(pixels: npt.NDArray[Any], layout: Layout) -> npt.NDArray[np.uint8]:
    if layout.to_rgb is None:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, layout.to_rgb), np.uint8)


def _decode_compressed(
    message: Any,
    max_pixels: int,
    shrink: Callable[[int, int], int] | None,
    white_level: int,
) -> Decoded:
    """Decode JPEG or PNG; the header is read first, so that no bomb goes off."""
    data = bytes(message.data)
    if not data:
        raise UserError('the compressed image has no data', reason='empty_image')
    header = read_header(data, max_pixels=max_pixels)
    height, width = header.height, header.width
    _check_size(height=height, width=width, max_pixels=max_pixels)
    mosaic = _mosaic(message.format) if header.is_grey else None
    if mosaic is not None:
        _check_sides(mosaic, height=height, width=width)
        values = _require_decoded(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH, header)
        values, warning = _of_8_bits(values, white_level)
        return Decoded(_to_rgb(values, LAYOUTS[mosaic]), 1, False, warning)
    shrunk = shrink(height, width) if shrink is not None and header.is_jpeg else 1
    flags = JPEG_SHRUNK[shrunk] | (0 if header.is_jpeg else cv2.IMREAD_ANYDEPTH)
    bgr = _require_decoded(data, flags, header, shrunk)
    pixels, warning = _of_8_bits(bgr, white_level)
    return Decoded(pixels, shrunk, True, warning)


def _mosaic(form: str) -> str | None:
    """
    Return the Bayer encoding of pixels of one value each, by the `format` of a CompressedImage.

    image_transport says 'ENCODING; png compressed TARGET', and no TARGET where the pixels were
    left as they came.
    """
    source, compressed, target = form.partition(' compressed')
    encoding = target.strip() or source.partition(';')[0].strip()
    return encoding if compressed and encoding in BAYER else None


def _require_decoded(data: bytes, flags: int, header: Header, shrunk: int = 1) -> npt.NDArray[Any]:
    """Decode to the header's size over `shrunk`, rounded up; UserError for anything else."""
    pixels = pixels_of(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise bad_compressed(f'{len(data)} bytes that OpenCV cannot decode')
    height, width = header.height, header.width
    if pixels.shape[:2] != (-(-height // shrunk), -(-width // shrunk)):
        raise bad_compressed(
            f'{width} x {height} pixels by its header and {pixels.shape[1]} x {pixels.shape[0]} '
            f'when decoded at 1 / {shrunk}'
        )
    return pixels


def pixels_of(data: bytes, flags: int) -> npt.NDArray[Any] | None:
    """Decode the bytes of an image file with OpenCV's flags; None where it cannot."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
